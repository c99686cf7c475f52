"""Each invariant has a history that violates it and nothing else is needed to see it. Pure: no Redis here."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from raibid.ledger import Depth
from raibid.model.job import JobSpec

from tests.chaos import causes, checker, progress
from tests.chaos.checker import INVARIANTS, check
from tests.chaos.histories import (
    a_good_run,
    admitted,
    at,
    born,
    but,
    calm,
    claimed,
    life,
    look,
    lost,
    passes,
    record,
    succeeded,
    turns,
)
from tests.chaos.history import CancelAcknowledged, Claimed, Fenced, Finished, History, Hit, Late, LetGo, Transition
from tests.chaos.report import counts, table, verdict
from tests.chaos.violating import VIOLATING


def test_a_good_run_violates_nothing() -> None:
    assert check(a_good_run()) == []


@pytest.mark.parametrize(("invariant", "history"), VIOLATING.values(), ids=VIOLATING)
def test_it_is_seen(invariant: Callable[[History], object], history: History) -> None:
    assert list(invariant(history))  # type: ignore[call-overload]
    assert check(history)


def test_every_invariant_has_a_history_that_violates_it() -> None:
    assert {invariant for invariant, _ in VIOLATING.values()} == set(INVARIANTS)


@pytest.mark.parametrize(
    "depth",
    [
        look(stream=3, claimed=3, pending=3),
        look(stream=1, claimed=1, pending=1, paused=True),
        look(stream=2, claimed=2, pending=2, repos={"r": 2}, claimed_repos={"r": 2}, limits={"repo:r": 1}),
        look(stream=2, pending=2, repos={"r": 2}, limits={"repo:*": 1, "repo:r": 2}),
        look(stream=2, resources={"": 2}, limits={"resource:*": 1}),
    ],
    ids=[
        "a smaller window lets claimed jobs finish",
        "a pause lets claimed jobs finish",
        "a lower limit lets claimed jobs finish",
        "a repository's own limit goes before the one for all",
        "no resource, no limit of resources",
    ],
)
def test_it_is_allowed(depth: Depth) -> None:
    assert list(checker.broken_bounds(depth)) == []


def test_a_cancel_frees_the_next_of_its_lane() -> None:
    gone = Transition("a", "cancel", "waiting", "cancelled")
    history = but(timeline=[born("a"), born("b"), gone, admitted("b")], jobs={"a": record("a"), "b": record("b")})
    assert list(checker.first_admissions_are_fifo(history)) == []


@pytest.mark.parametrize(
    "history",
    [
        lost(hits=[Hit("agent", "SIGKILL", 1.0)]),
        lost(notes=[Late("a", "agent", since=2.9, until=9.0)]),
        lost(notes=[LetGo("a", "agent")]),
        msgspec.structs.replace(lost(redis_down=[2.0]), notes=[Claimed("a", "u", "heir")]),
        lost(claimed("a", "running", 3, when=8), hits=[Hit("agent", "SIGKILL", 1.0), Hit("heir", "SIGKILL", 6.0)]),
    ],
    ids=[
        "a fault on its agent",
        "a silence of its agent",
        "its agent hands it back",
        "the answer to its claim was lost with Redis",
        "each loss has a cause of its own",
    ],
)
def test_a_loss_is_explained(history: History) -> None:
    assert list(causes.re_executions_have_a_cause(history)) == []


@pytest.mark.parametrize(
    "history",
    [
        turns(["a", "b1", "c"], [*passes("b1"), admitted("c")]),
        turns(["a", "high1", "high2"], [*passes("high1"), admitted("high2")]),
        turns(["a-gpu", "b1", "b2"], [*passes("b1"), admitted("b2")]),
        turns(["a", "b1", "b2"], [*passes("b1"), admitted("b2")], unlimited=()),
        turns(["a", "a-gpu", "b1", "b2"], [admitted("a-gpu"), *passes("b1"), admitted("b2")]),
    ],
    ids=[
        "each other repository once",
        "a better class",
        "the job that waits needs a counted resource",
        "the repository that waits may be held up by a limit",
        "the repository that waits has more in the stream",
    ],
)
def test_others_may_come_first(history: History) -> None:
    assert list(progress.nobody_is_passed_over_twice(history)) == []


def test_what_went_on_before_the_faults_were_over_is_not_timed() -> None:
    history = calm([born("a"), admitted("a"), claimed("a"), succeeded("a", when=10.5)])
    assert list(progress.no_job_stays_too_long(history)) == list(progress.something_always_ends(history)) == []


def test_a_claim_before_the_cancel_is_no_start_after_it() -> None:
    history = but(timeline=[*life("a")[:2], claimed("a", when=1), CancelAcknowledged("a", "running", at(1))])
    assert list(checker.no_start_after_an_acknowledged_cancel(history)) == []


def test_the_gap_counts_others_while_the_repository_waits() -> None:
    other = msgspec.structs.replace(record("b"), spec=JobSpec(repo="b/b", clone_url="x", ref="y"))
    history = but(timeline=[born("a"), born("b"), admitted("b")], jobs={"a": record("a"), "b": other})
    assert progress.longest_gap(history) == (1, "acme/app")


def test_the_verdict_tells_the_story_of_the_job() -> None:
    history = but(notes=[Fenced("a", "t"), Finished("a", "u", "heir", "success")])
    said = verdict(history, check(history))
    assert "fencing" in said
    assert "heir finished it" in said
    assert "Fenced(job='a'" in said
    assert "agents started" in table(counts(history, 1.0))


def test_a_history_survives_its_file() -> None:
    assert msgspec.json.decode(msgspec.json.encode(a_good_run()), type=History) == a_good_run()
