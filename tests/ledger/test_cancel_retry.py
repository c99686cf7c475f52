"""People's steps: cancel, retry, bury, requeue."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from raibid.ledger import Beat, Claim, JobNotFoundError, Ledger, NotTerminalError
from raibid.model.job import JobStatus

from tests.ledger.conftest import new, put, take

Lose = Callable[[Claim], None]


def ended(ledger: Ledger, outcome: JobStatus = JobStatus.FAILED) -> str:
    put(ledger, new())
    claim = take(ledger)
    ledger.finish(claim.job.id, claim.token, outcome)
    return claim.job.id


def test_a_held_a_waiting_and_a_queued_job_are_cancelled_at_once(ledger: Ledger) -> None:
    ledger.set_window(1)
    jobs = put(ledger, new(), new(), new(hold=True))
    assert [ledger.cancel(j, "ann") for j in jobs] == [JobStatus.CANCELLED] * 3
    depth = ledger.depth()
    assert (depth.stream, depth.waiting, depth.held) == (0, 0, 0)
    assert ledger.claim("a") is None


def test_a_cancel_frees_the_place_for_the_next(ledger: Ledger) -> None:
    ledger.set_window(1)
    first, second = put(ledger, new(), new())
    ledger.cancel(first)
    assert take(ledger).job.id == second


def test_a_running_job_is_told_by_its_next_beat_and_ends_as_cancelled(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    assert ledger.cancel(claim.job.id) is JobStatus.RUNNING
    assert ledger.beat(claim.job.id, claim.token) is Beat.CANCEL
    ledger.finish(claim.job.id, claim.token, JobStatus.CANCELLED)
    assert ledger.cancel(claim.job.id) is JobStatus.CANCELLED


@pytest.mark.parametrize("by", ["claim", "tick", "tick while paused"])
def test_a_cancelled_job_whose_agent_died_never_runs_again(ledger: Ledger, lose_lease: Lose, by: str) -> None:
    put(ledger, new())
    claim = take(ledger)
    ledger.cancel(claim.job.id)
    lose_lease(claim)
    if by == "claim":
        assert ledger.claim("b") is None
    else:
        if "paused" in by:
            ledger.pause()
        ledger.tick()
    job = ledger.records.get(claim.job.id)
    assert job is not None
    assert (job.status, ledger.depth().stream) == (JobStatus.CANCELLED, 0)


def test_a_cancelled_job_that_its_agent_hands_back_ends(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    ledger.cancel(claim.job.id)
    assert ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True) is JobStatus.CANCELLED


def test_cancelling_an_ended_job_changes_nothing(ledger: Ledger) -> None:
    assert ledger.cancel(ended(ledger, JobStatus.SUCCESS)) is JobStatus.SUCCESS


def test_unknown_jobs_are_said_to_be_unknown(ledger: Ledger) -> None:
    for step in (ledger.cancel, ledger.retry, ledger.why, lambda j: ledger.approve(j, "x")):
        with pytest.raises(JobNotFoundError):
            step("no-such-job")


def test_a_retry_is_a_new_job_that_names_the_old_one(ledger: Ledger) -> None:
    old = ended(ledger)
    made = ledger.retry(old)
    job, before = ledger.records.get(made.id), ledger.records.get(old)
    assert job is not None
    assert before is not None
    assert (job.retry_of, job.spec, before.retries) == (old, before.spec, 1)


def test_a_double_click_makes_one_retry_and_a_later_click_another(ledger: Ledger) -> None:
    old = ended(ledger)
    seen = ledger.records.get(old)
    assert seen is not None
    first = ledger.retry(old)
    double = ledger._run("retry", old, "other-id", seen.retries, 0, "")  # read before the first had happened
    assert double[0].decode() == first.id
    assert ledger.retry(old).id != first.id


def test_a_retry_of_an_untrusted_job_asks_for_approval_again(ledger: Ledger) -> None:
    assert ledger.retry(ended(ledger), hold=True).status is JobStatus.HELD


def test_only_an_ended_job_can_be_retried(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    with pytest.raises(NotTerminalError, match="queued"):
        ledger.retry(job)


def test_a_buried_job_can_be_requeued_from_its_dead_letter(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    assert ledger.bury(job, "poison") is JobStatus.DEAD
    letter = ledger.records.dead_letters()[0][0]
    again = ledger.retry(job, dead_letter=letter)
    assert again.status is JobStatus.QUEUED
    assert ledger.records.dead_letters() == []


def test_a_dead_letter_is_requeued_once(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    ledger.bury(job, "poison")
    letter = ledger.records.dead_letters()[0][0]
    assert len({ledger.retry(job, dead_letter=letter).id for _ in range(2)}) == 1


def test_burying_a_running_job_fences_its_agent(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    ledger.bury(claim.job.id, "poison")
    assert ledger.beat(claim.job.id, claim.token) is Beat.STALE
