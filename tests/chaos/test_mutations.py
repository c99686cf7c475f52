"""The checker sees each seeded bug, and nothing where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from raibid.contract import Keys
from raibid.local.redis_server import RedisServer

from tests.chaos.checker import check
from tests.chaos.mutations import MUTATIONS, Mutation, MutationError
from tests.chaos.scenarios import SCENARIOS, play

SEEN_AS = {
    "no-fencing": "fencing",
    "split-finish": "stream = records",
    "delete-busy-consumer": "audit",
    "no-limit": "audit",
    "no-trim": "audit",
    "deaf-claim": "cancel",
    "blind-enqueue": "superseding",
    "crowded-group": "concurrency",
    "hasty-coroner": "re-executions",
}
"""The invariant that must be among the violated ones."""


@pytest.mark.parametrize("bug", MUTATIONS)
def test_the_checker_sees_the_seeded_bug(bug: str, redis_server: RedisServer, tmp_path: Path) -> None:
    violations = check(play(SCENARIOS[bug], redis_server.url, tmp_path, bug))
    assert SEEN_AS[bug] in {v.invariant for v in violations}


@pytest.mark.parametrize("story", SCENARIOS)
def test_the_sound_ledger_passes_the_same_story(story: str, redis_server: RedisServer, tmp_path: Path) -> None:
    assert check(play(SCENARIOS[story], redis_server.url, tmp_path)) == []


@pytest.mark.parametrize("bug", MUTATIONS.values(), ids=lambda m: m.name)
def test_every_edit_still_changes_a_script(bug: Mutation) -> None:
    bug.verify(Keys())


def test_an_edit_that_finds_nothing_is_an_error() -> None:
    with pytest.raises(MutationError, match="gone"):
        Mutation("gone", (("no such line", ""),)).verify(Keys())


def test_every_bug_has_a_story_and_an_invariant() -> None:
    assert set(MUTATIONS) == set(SCENARIOS) == set(SEEN_AS)
