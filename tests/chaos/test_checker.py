"""Each invariant has a history that violates it and nothing else is needed to see it. Pure: no Redis here."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from raibid.ledger import Depth
from raibid.model.job import Job, JobSpec, JobStatus

from tests.chaos import checker
from tests.chaos.checker import INVARIANTS, check
from tests.chaos.history import (
    Acknowledged,
    Audit,
    CancelAcknowledged,
    Claimed,
    Fenced,
    Finished,
    History,
    Late,
    Transition,
)
from tests.chaos.report import counts, table, verdict

EMPTY = Depth(
    stream=0, claimed=0, pending=0, waiting=0, held=0, dead=0, window=2, paused=False, repos={}, claimed_repos={},
    resources={}, claimed_resources={}, limits={}, admit_errors=0,
)  # fmt: skip


def record(job: str, status: JobStatus = JobStatus.SUCCESS, *, attempt: int = 1, owner: str = "agent") -> Job:
    spec = JobSpec(repo="acme/app", clone_url="https://forge.test/a.git", ref="refs/heads/main")
    return Job(id=job, spec=spec, status=status, attempt=attempt, max_attempts=3, owner=owner)


def born(job: str) -> Transition:
    return Transition(job, "create", "", "waiting")


def admitted(job: str) -> Transition:
    return Transition(job, "admit", "waiting", "queued")


def claimed(job: str, before: str = "queued", attempt: int = 1) -> Transition:
    return Transition(job, "claim", before, "running", attempt)


def succeeded(job: str) -> Transition:
    return Transition(job, "succeed", "running", "success", 1)


def life(job: str) -> list[Transition]:
    return [born(job), admitted(job), claimed(job), succeeded(job)]


def a_good_run() -> History:
    """One job, from its delivery to its success, looked at all the time."""
    empty, busy = Audit(EMPTY, ()), msgspec.structs.replace(EMPTY, stream=1, claimed=1, pending=1)
    return History(
        timeline=[empty, born("a"), admitted("a"), claimed("a"), Audit(busy, ("a",)), succeeded("a"), empty],
        acknowledged=[Acknowledged("a", "key-a", True), Acknowledged("a", "key-a", False)],
        notes=[Claimed("a", "t", "agent"), Finished("a", "t", "agent", "success")],
        jobs={"a": record("a")},
        rest=EMPTY,
        agents=1,
        most_agents=1,
        max_agents=2,
        drained=0.5,
    )


def but(**changes: object) -> History:
    return msgspec.structs.replace(a_good_run(), **changes)


def seen(depth: Depth) -> History:
    return but(timeline=[*a_good_run().timeline, Audit(depth, ())])


def look(**changes: object) -> Depth:
    return msgspec.structs.replace(EMPTY, **changes)


def test_a_good_run_violates_nothing() -> None:
    assert check(a_good_run()) == []


Case = tuple[Callable[[History], object], History]

VIOLATING: dict[str, Case] = {
    "an acknowledged job was lost": (
        checker.every_acknowledged_job_is_terminal,
        but(jobs={}),
    ),
    "an acknowledged job never ended": (
        checker.every_acknowledged_job_is_terminal,
        but(jobs={"a": record("a", JobStatus.RUNNING)}),
    ),
    "a transition that the state machine does not know": (
        checker.every_transition_is_legal,
        but(timeline=[born("a"), claimed("a", "waiting"), succeeded("a")]),
    ),
    "a transition is missing in between": (
        checker.every_transition_is_legal,
        but(timeline=[born("a"), claimed("a"), succeeded("a")]),
    ),
    "a job is created twice": (
        checker.every_transition_is_legal,
        but(timeline=[*life("a"), born("a")]),
    ),
    "the record says otherwise than its last transition": (
        checker.every_transition_is_legal,
        but(jobs={"a": record("a", JobStatus.FAILED)}),
    ),
    "a job ends twice": (
        checker.a_job_ends_once,
        but(timeline=[*life("a"), succeeded("a")]),
    ),
    "two agents succeed with one job": (
        checker.one_agent_finishes_a_job,
        but(notes=[*a_good_run().notes, Finished("a", "u", "agent", "success")]),
    ),
    "an agent's accepted outcome is forgotten": (
        checker.one_agent_finishes_a_job,
        but(notes=[Finished("a", "t", "agent", "failed")]),
    ),
    "a zombie finishes": (
        checker.the_last_claim_finishes,
        but(jobs={"a": record("a", owner="heir")}),
    ),
    "more attempts than allowed": (
        checker.attempts_stay_within_bounds,
        but(timeline=[born("a"), admitted("a"), claimed("a", attempt=4)]),
    ),
    "dead before its attempts were used up": (
        checker.attempts_stay_within_bounds,
        but(jobs={"a": record("a", JobStatus.DEAD, attempt=2)}),
    ),
    "started again for no reason": (
        checker.re_executions_have_a_cause,
        but(timeline=[born("a"), admitted("a"), claimed("a"), claimed("a", "running", 2), succeeded("a")]),
    ),
    "an entry is left": (checker.nothing_is_left_at_rest, but(rest=look(stream=1))),
    "a pending entry is left": (checker.nothing_is_left_at_rest, but(rest=look(pending=1))),
    "a job still waits": (checker.nothing_is_left_at_rest, but(rest=look(waiting=1))),
    "a job is still held": (checker.nothing_is_left_at_rest, but(rest=look(held=1))),
    "a job still runs": (checker.nothing_is_left_at_rest, but(rest=look(claimed=1))),
    "a redelivery was given another id": (
        checker.one_job_per_dedupe_key,
        but(acknowledged=[Acknowledged("a", "key-a", True), Acknowledged("b", "key-a", True)]),
    ),
    "a job nobody was told of": (
        checker.one_job_per_dedupe_key,
        but(jobs={"a": record("a"), "b": record("b")}),
    ),
    "more agents than max": (checker.agents_stay_below_max, but(most_agents=3)),
    "it does not drain": (checker.it_drains_in_time, but(drained=2.0)),
    "started after an acknowledged cancel": (
        checker.no_start_after_an_acknowledged_cancel,
        but(timeline=[born("a"), admitted("a"), CancelAcknowledged("a", "running"), claimed("a")]),
    ),
    "more in the stream than the window": (checker.every_audit_holds, seen(look(stream=3, claimed=2, pending=2))),
    "an unclaimed entry while paused": (checker.every_audit_holds, seen(look(stream=1, paused=True))),
    "over a repository's limit": (
        checker.every_audit_holds,
        seen(look(stream=2, repos={"acme/app": 2}, limits={"repo:acme/app": 1})),
    ),
    "over the limit of every repository": (
        checker.every_audit_holds,
        seen(look(stream=2, repos={"acme/app": 2}, limits={"repo:*": 1})),
    ),
    "over a resource's limit": (
        checker.every_audit_holds,
        seen(look(stream=2, resources={"gpu": 2}, claimed_resources={"gpu": 1}, limits={"resource:gpu": 1})),
    ),
    "a running job without a pending entry": (
        checker.every_audit_holds,
        seen(look(stream=1, claimed=1, pending=0)),
    ),
    "admit failed": (checker.every_audit_holds, seen(look(admit_errors=1))),
    "an entry without a job": (
        checker.the_stream_holds_what_the_records_say,
        but(timeline=[*life("a"), Audit(EMPTY, ("a",))]),
    ),
    "a queued job without an entry": (
        checker.the_stream_holds_what_the_records_say,
        but(timeline=[born("a"), admitted("a"), Audit(EMPTY, ())]),
    ),
    "two entries of one job": (
        checker.the_stream_holds_what_the_records_say,
        but(timeline=[born("a"), admitted("a"), Audit(EMPTY, ("a", "a"))]),
    ),
    "the later job of a lane is admitted first": (
        checker.first_admissions_are_fifo,
        but(timeline=[born("a"), born("b"), admitted("b")], jobs={"a": record("a"), "b": record("b")}),
    ),
}


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
    ("faults", "notes"),
    [({"agent-kill": 1}, []), ({"power-loss": 1}, []), ({}, [Late("a", 2.5)])],
    ids=["a kill", "a power loss, for every agent", "an agent that was silent for too long"],
)
def test_a_fault_explains_a_second_start(faults: dict[str, int], notes: list[Late]) -> None:
    again = [born("a"), admitted("a"), claimed("a"), claimed("a", "running", 2), succeeded("a")]
    assert list(checker.re_executions_have_a_cause(but(timeline=again, faults=faults, notes=notes))) == []


def test_the_gap_counts_others_while_the_repository_waits() -> None:
    other = msgspec.structs.replace(record("b"), spec=JobSpec(repo="b/b", clone_url="x", ref="y"))
    history = but(timeline=[born("a"), born("b"), admitted("b")], jobs={"a": record("a"), "b": other})
    assert checker.longest_gap(history) == (1, "acme/app")


def test_the_verdict_tells_the_story_of_the_job() -> None:
    history = but(notes=[Fenced("a", "t"), Finished("a", "u", "heir", "success")])
    said = verdict(history, check(history))
    assert "fencing" in said
    assert "heir finished it" in said
    assert "Fenced(job='a'" in said
    assert "agents started" in table(counts(history, 1.0))


def test_a_history_survives_its_file() -> None:
    assert msgspec.json.decode(msgspec.json.encode(a_good_run()), type=History) == a_good_run()
