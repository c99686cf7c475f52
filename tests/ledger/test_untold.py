"""What the forge is to hear: every change of a status, until it was told that very status."""

from __future__ import annotations

import pytest
from raibid.ledger import Ledger
from raibid.model.job import Job, JobStatus
from raibid.model.pod import PodEnding, PodVerdict

from tests.ledger.conftest import new, put, take


def read(ledger: Ledger, job_id: str) -> Job:
    job = ledger.records.get(job_id)
    assert job is not None
    return job


def told_all(ledger: Ledger) -> None:
    for job_id in ledger.untold():
        job = read(ledger, job_id)
        assert ledger.told(job_id, job)
    assert ledger.untold() == []


def test_a_job_is_untold_after_each_step_that_its_forge_shows(ledger: Ledger) -> None:
    (job,) = put(ledger, new(hold=True))
    assert ledger.untold() == [job]
    told_all(ledger)
    ledger.approve(job, "ann")
    assert ledger.untold() == [job]
    told_all(ledger)
    claim = take(ledger)
    assert ledger.untold() == [job]
    told_all(ledger)
    ledger.release(job, claim.token, "SIGTERM", refund=True)
    assert ledger.untold() == [job]
    told_all(ledger)
    take(ledger, "b")
    told_all(ledger)
    ledger.pod_ended(PodEnding(pod="b", reason="Error"), PodVerdict.LOST)
    assert ledger.untold() == [job]
    told_all(ledger)
    again = take(ledger, "c")
    told_all(ledger)
    ledger.finish(job, again.token, JobStatus.SUCCESS)
    assert ledger.untold() == [job]


def test_a_status_that_changed_while_the_forge_was_told_stays_untold(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    claim = take(ledger)
    running = read(ledger, job)
    ledger.finish(job, claim.token, JobStatus.FAILED)
    assert not ledger.told(job, running)
    assert ledger.untold() == [job]
    failed = read(ledger, job)
    assert ledger.told(job, failed)
    assert ledger.told(job, failed)


@pytest.mark.parametrize("refund", [True, False])
def test_a_word_about_one_attempt_is_not_taken_for_one_about_the_next(ledger: Ledger, refund: bool) -> None:
    (job,) = put(ledger, new())
    first = take(ledger, "a")
    told = read(ledger, job)
    ledger.release(job, first.token, "SIGTERM", refund=refund)
    take(ledger, "b")
    assert told.status is read(ledger, job).status
    assert not ledger.told(job, told)
    assert ledger.untold() == [job]


def test_a_note_that_came_while_the_forge_was_told_is_told_too(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    told = read(ledger, job)
    ledger.pods_stuck({"x": "ImagePullBackOff"})
    assert not ledger.told(job, told)
    assert ledger.told(job, read(ledger, job))


def test_a_late_word_about_a_job_makes_its_latest_retry_speak_again(ledger: Ledger) -> None:
    (first,) = put(ledger, new())
    ledger.bury(first, "poison")
    late = read(ledger, first)
    second = ledger.retry(first).id
    ledger.bury(second, "poison")
    third = ledger.retry(second).id
    told_all(ledger)
    assert not ledger.told(first, late)
    assert third in ledger.untold()
    told_all(ledger)


@pytest.mark.parametrize("how", ["told", "tick"])
def test_a_job_that_left_redis_is_not_told_for_ever(ledger: Ledger, how: str) -> None:
    (job,) = put(ledger, new())
    ledger.client.delete(ledger.keys.job + job)
    if how == "told":
        assert ledger.told(job, None)
    else:
        ledger.tick()
    assert ledger.untold() == []
