"""For each invariant the histories that violate it, by what is wrong in them.

Owns: the list.
Leaves to others: putting histories together (`histories.py`), judging them (`checker.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from raibid.model.job import JobStatus

from tests.chaos import causes, checker, progress, superseding
from tests.chaos.histories import (
    EMPTY,
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
    of_a_group,
    passes,
    record,
    seen,
    succeeded,
    turns,
)
from tests.chaos.history import Acknowledged, Audit, CancelAcknowledged, Finished, History, Hit, Late, Owned, Transition

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
    "lost for no reason": (causes.re_executions_have_a_cause, lost()),
    "another agent was killed": (causes.re_executions_have_a_cause, lost(hits=[Hit("heir", "SIGKILL", 1.0)])),
    "its agent was killed only after it had lost the job": (
        causes.re_executions_have_a_cause,
        lost(hits=[Hit("agent", "SIGKILL", 6.0)]),
    ),
    "its agent was silent, but for less than a lease": (
        causes.re_executions_have_a_cause,
        lost(notes=[Late("a", "agent", since=3.5, until=5.0)]),
    ),
    "its agent was silent only later": (
        causes.re_executions_have_a_cause,
        lost(notes=[Late("a", "agent", since=4.0, until=9.0)]),
    ),
    "Redis restarted, but its agent had been answered": (
        causes.re_executions_have_a_cause,
        lost(redis_down=[2.0]),
    ),
    "one cause, two losses": (
        causes.re_executions_have_a_cause,
        lost(claimed("a", "running", 3, when=8), hits=[Hit("agent", "SIGKILL", 1.0)]),
    ),
    "back to its lane for no reason": (
        causes.re_executions_have_a_cause,
        but(timeline=[*life("a")[:3], Owned("a", "agent"), Transition("a", "withdraw", "running", "waiting", 1)]),
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
    "a job is queued for too long after the last fault": (
        progress.no_job_stays_too_long,
        calm([born("a"), admitted("a"), claimed("a", when=17), succeeded("a", when=17)]),
    ),
    "a lost lease is not taken for too long": (
        progress.no_job_stays_too_long,
        calm([born("a"), admitted("a"), claimed("a", when=9), claimed("a", "running", 2, when=16.5)]),
    ),
    "a job still runs when the run gives up": (
        progress.no_job_stays_too_long,
        calm([born("a"), admitted("a"), claimed("a", when=9)]),
    ),
    "no job ends for too long": (
        progress.something_always_ends,
        calm([born("a"), born("b"), *life("c"), admitted("a", 19), claimed("a", when=19), succeeded("a", 19.1)]),
    ),
    "no job ends any more": (progress.something_always_ends, calm([born("a")])),
    "a repository is served twice while another waits": (
        progress.nobody_is_passed_over_twice,
        turns(["a", "b1", "b2"], [*passes("b1"), admitted("b2")]),
    ),
    "a lower class is served twice while another repository waits": (
        progress.nobody_is_passed_over_twice,
        turns(["a", "low1", "low2"], [*passes("low1"), admitted("low2")]),
    ),
    "started after an acknowledged cancel": (
        checker.no_start_after_an_acknowledged_cancel,
        but(timeline=[born("a"), admitted("a"), CancelAcknowledged("a", "running", at(1)), claimed("a", when=2)]),
    ),
    "started between the cancel and the next look": (
        checker.no_start_after_an_acknowledged_cancel,
        but(timeline=[born("a"), admitted("a"), claimed("a", when=2), CancelAcknowledged("a", "cancelled", at(1))]),
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
    "two jobs have one concurrency group": (
        checker.one_job_at_a_time_has_a_concurrency_group,
        but(timeline=[*a_good_run().timeline, Audit(EMPTY, (), {"acme/app|deploy": ("a", "b")})]),
    ),
    "the later job of a lane is admitted first": (
        checker.first_admissions_are_fifo,
        but(timeline=[born("a"), born("b"), admitted("b")], jobs={"a": record("a"), "b": record("b")}),
    ),
    "a job starts after a newer one of its group has come": (
        superseding.only_the_newest_of_a_group_goes_on,
        of_a_group([*life("a")[:2], born("b"), claimed("a"), succeeded("a"), *life("b")[1:]], a="b"),
    ),
    "a newer job of the group left the older one alone": (
        superseding.only_the_newest_of_a_group_goes_on,
        of_a_group([*life("a")[:3], born("b"), succeeded("a"), *life("b")[1:]]),
    ),
    "the newest of a group was superseded": (
        superseding.only_the_newest_of_a_group_goes_on,
        of_a_group([*life("a"), *life("b")], b="a"),
    ),
}
