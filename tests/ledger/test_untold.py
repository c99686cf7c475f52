"""What the forge is to hear: every change of a status, until it was told that very status."""

from __future__ import annotations

import pytest
from raibid.ledger import Ledger
from raibid.model.job import JobStatus
from raibid.model.pod import PodEnding, PodVerdict

from tests.ledger.conftest import new, put, take


def told_all(ledger: Ledger) -> None:
    for job_id in ledger.untold():
        job = ledger.records.get(job_id)
        assert job is not None
        assert ledger.told(job_id, job.status)
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
    ledger.finish(job, claim.token, JobStatus.FAILED)
    assert not ledger.told(job, JobStatus.RUNNING)
    assert ledger.untold() == [job]
    assert ledger.told(job, JobStatus.FAILED)
    assert ledger.told(job, JobStatus.FAILED)


@pytest.mark.parametrize("how", ["told", "tick"])
def test_a_job_that_left_redis_is_not_told_for_ever(ledger: Ledger, how: str) -> None:
    (job,) = put(ledger, new())
    ledger.client.delete(ledger.keys.job + job)
    if how == "told":
        assert ledger.told(job, JobStatus.QUEUED)
    else:
        ledger.tick()
    assert ledger.untold() == []
