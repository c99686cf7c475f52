"""What the controller remembers: that a commit which had passed was seen failing, and what it need not ask again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from raibid.gitops.objects import Condition, Ref
from raibid.gitops.rollback.decide import Facts
from raibid.gitops.rollback.memory import LATER, Memory
from raibid.gitops.rollback.reading import Reading

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
APPS = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps")
GOOD, BAD = "a" * 40, "b" * 40
FLEET = ("https://gitea.example/raibid/fleet.git", "main")


def look(status: str, attempted: str, reason: str = "BuildFailed") -> Reading:
    ready = Condition("Ready", status, reason, "something broke")
    return Reading(Facts(about=APPS, ready=ready, applied=GOOD, attempted=attempted))


def after(*looks: Reading) -> bool:
    """Whether the last look knows that the good commit failed."""
    memory = Memory()
    return [memory.recalled(reading).facts.failed_at_good for reading in looks][-1]


def test_what_was_seen_failing_at_the_good_commit_is_known_at_the_next() -> None:
    assert after(look("False", GOOD), look("False", BAD))
    assert after(look("False", GOOD), look("Unknown", BAD), look("False", BAD))


def test_what_was_ready_since_has_passed_again() -> None:
    assert not after(look("False", GOOD), look("True", GOOD), look("False", BAD))


@pytest.mark.parametrize("reason", ["DependencyNotReady", "ArtifactFailed", "Progressing"])
def test_what_only_waits_has_not_failed(reason: str) -> None:
    assert not after(look("False", GOOD, reason), look("False", BAD))


def test_a_failure_at_one_good_commit_says_nothing_of_another() -> None:
    moved = look("False", BAD)
    assert not after(look("False", GOOD), replace(moved, facts=replace(moved.facts, applied="c" * 40)))


def test_nothing_that_was_never_applied_has_failed_since() -> None:
    never = look("False", "")
    assert not after(replace(never, facts=replace(never.facts, applied="")))


def test_a_decision_holds_for_its_commits_and_a_while() -> None:
    memory = Memory()
    memory.settle((APPS, BAD, BAD), NOW + LATER)
    assert memory.settled((APPS, BAD, BAD), NOW)
    assert not memory.settled((APPS, "c" * 40, "c" * 40), NOW)
    assert not memory.settled((APPS, BAD, BAD), NOW + LATER)


def test_what_is_given_up_is_so_until_it_is_well_or_another_commit_fails() -> None:
    memory = Memory()
    memory.give_up(APPS, BAD)
    assert memory.given_up({APPS: BAD}) == [APPS]
    assert memory.given_up({APPS: GOOD}) == []
    assert not memory.gave_up(APPS)


def test_a_branch_that_cannot_be_looked_at_is_asked_less_and_less_often_and_never_seldom() -> None:
    memory, pauses = Memory(), []
    for _ in range(20):
        memory.failed(FLEET, NOW)
        pauses.append(next(s for s in range(1, 400) if not memory.waits(FLEET, NOW + timedelta(seconds=s))))
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (5, 300)
    memory.worked(FLEET)
    assert not memory.waits(FLEET, NOW)
