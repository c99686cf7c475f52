"""A commit that was reverted is not healthy, although what is applied contains it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.git.errors import GitError
from raibid.gitops.watch.outcome import Outcome
from raibid.gitops.watch.reverts import Change, Revert, reverts_of, taken_back

from tests.gitops.flux_fake import APPS, FakeFlux, followed
from tests.gitops.history import LATER, NEW

SHAS = [f"{number:040x}" for number in range(1, 40)]
BAD, *AFTER = SHAS


def line(*messages: str) -> list[Change]:
    """Commits on top of BAD, from oldest to newest as given; newest first as git tells them."""
    parents = [BAD, *AFTER]
    return [Change(AFTER[n], (parents[n],), message) for n, message in enumerate(messages)][::-1]


def is_taken_back(found: list[Change], *appliers: str) -> bool:
    return bool(taken_back(reverts_of(BAD, found), frozenset(appliers)))


def gits(sha: str) -> str:
    return f'Revert "x"\n\nThis reverts commit {sha}.\n'


@pytest.mark.parametrize(
    "message",
    [
        gits(BAD),
        f"This reverts commit {BAD}, reversing\nchanges made to {AFTER[5]}.\n",
        f"Take it back\n\nReverts: {AFTER[7]}\nReverts: {BAD}\n",
        f"Take it back\n\nreverts: {BAD.upper()}\n",
        f"Revert x\n\nThis reverts commit {BAD[:12]} (x, 2026-11-21).\n",
    ],
    ids=["git", "git of a merge", "ours", "another spelling", "abbreviated"],
)
def test_a_revert_is_known_by_its_message(message: str) -> None:
    assert reverts_of(BAD, line("a change", message, "another")) == [Revert(AFTER[1])]


@pytest.mark.parametrize("message", ["a change", f"Fix what {BAD} did", gits(AFTER[9]), "Reverts: everything\n"])
def test_another_message_takes_nothing_back(message: str) -> None:
    assert reverts_of(BAD, line(message)) == []


@given(count=st.integers(1, 12))
def test_a_revert_of_the_revert_brings_it_back_and_so_on(count: int) -> None:
    messages = [gits(sha) for sha in [BAD, *AFTER][:count]]
    assert is_taken_back(line(*messages)) is (count % 2 == 1)


@given(targets=st.lists(st.integers(0, 8), max_size=9))
def test_it_is_there_exactly_if_undoing_one_after_the_other_leaves_it(targets: list[int]) -> None:
    before = {BAD: False}
    """Whether it was there before each commit."""
    there, messages = True, []
    for number, target in enumerate(targets):
        sha, undone = AFTER[number], [BAD, *AFTER][min(target, number)]
        # git reverts only what has not been reverted yet.
        if undone in before and there is not before[undone]:
            before[sha], there = there, before[undone]
            messages.append(gits(undone))
        else:
            messages.append("a change")
    assert is_taken_back(line(*messages)) is not there


def test_the_revert_of_the_merge_that_brought_it_takes_it_back() -> None:
    merge, revert = AFTER[1], AFTER[2]
    found = [Change(revert, (merge,), gits(merge)), Change(merge, ("f" * 40, BAD), "Merge branch 'x'")]
    assert reverts_of(BAD, found) == [Revert(revert)]


def test_the_revert_of_a_merge_that_came_later_does_not() -> None:
    merge, revert = AFTER[1], AFTER[2]
    found = [Change(revert, (merge,), gits(merge)), Change(merge, (BAD, "f" * 40), "Merge branch 'y'")]
    assert reverts_of(BAD, found) == []


def test_a_rollback_of_the_revert_brings_it_back_for_its_own_applier_alone() -> None:
    rollback = f"Roll back\n\nFlux-Rollback: flux-system/web\nReverts: {AFTER[0]}\n"
    assert is_taken_back(line(gits(BAD), rollback), "flux-system/db")
    assert not is_taken_back(line(gits(BAD), rollback), "flux-system/web")


def test_a_reverted_commit_is_superseded_and_says_by_which() -> None:
    flux = FakeFlux()
    flux.fetch(LATER).apply("apps", LATER)
    result = followed(flux, reverts=lambda _sha, _upto: [Revert(LATER)])
    assert (result.outcome, result.timed_out, result.object) == (Outcome.SUPERSEDED, False, APPS)
    assert result.message == f"it is reverted by {LATER}"


def test_it_is_superseded_as_soon_as_the_source_has_the_revert() -> None:
    flux = FakeFlux()
    flux.fetch(LATER).fail("apps", NEW)
    assert followed(flux, reverts=lambda _sha, _upto: [Revert(LATER)]).outcome is Outcome.SUPERSEDED


@pytest.mark.parametrize(("about", "outcome"), [("apps", Outcome.SUPERSEDED), ("db", Outcome.HEALTHY)])
def test_a_rollback_counts_for_the_applier_that_it_was_made_for(about: str, outcome: Outcome) -> None:
    flux = FakeFlux()
    flux.fetch(LATER).apply("apps", LATER)
    found = [Revert(LATER, frozenset({f"flux-system/{about}"}))]
    assert followed(flux, reverts=lambda _sha, _upto: found).outcome is outcome


def test_the_commit_itself_needs_no_history() -> None:
    def reverts(_sha: str, _upto: str) -> Sequence[Revert]:
        raise GitError("nobody was to ask")

    flux = FakeFlux()
    flux.fetch(NEW).apply("apps", NEW)
    result = followed(flux, reverts=reverts)
    assert (result.healthy, result.notes) == (True, ())
