"""Jobs enter once."""

from __future__ import annotations

from raibid.ledger import Ledger
from raibid.model.job import JobStatus, Priority

from tests.ledger.conftest import new, put, take


def test_the_same_dedupe_key_gives_the_same_job_back(ledger: Ledger) -> None:
    first, second = ledger.enqueue([new(dedupe="push-1"), new(dedupe="push-1")])
    third = ledger.enqueue([new(dedupe="push-1")])[0]
    assert first.created
    assert (second.id, second.created) == (third.id, third.created) == (first.id, False)
    assert ledger.depth().stream == 1


def test_a_dedupe_key_lives_as_long_as_its_job_and_then_a_day(ledger: Ledger) -> None:
    put(ledger, new(dedupe="k"))
    assert ledger.client.ttl(ledger.keys.dedupe + "k") == -1
    claim = take(ledger)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    of_key = ledger.client.ttl(ledger.keys.dedupe + "k")
    of_record = ledger.client.ttl(ledger.keys.job + claim.job.id)
    assert 0 < of_key <= 24 * 3600 <= of_record


def test_a_dedupe_key_whose_record_is_gone_counts_as_absent(ledger: Ledger) -> None:
    (old,) = put(ledger, new(dedupe="k"))
    ledger.client.delete(ledger.keys.job + old)
    assert ledger.enqueue([new(dedupe="k")])[0].created


def test_a_batch_is_answered_in_order(ledger: Ledger) -> None:
    jobs = [new(f"acme/{n}") for n in range(20)]
    assert put(ledger, *jobs) == [j.id for j in jobs]


def test_what_was_asked_comes_back_whole(ledger: Ledger) -> None:
    job = new("acme/ünïcode", resource="gpu", priority=Priority.HIGH, params={"A": "1"})
    put(ledger, job)
    stored = ledger.records.get(job.id)
    assert stored is not None
    assert stored.spec == job.spec


def test_a_job_queued_before_any_agent_ever_ran_is_not_skipped(ledger: Ledger) -> None:
    # The group is created at 0; with $ the first jobs would never be delivered (spec/queue.md 1.2).
    ledger.client.delete(ledger.keys.stream)
    (job,) = put(ledger, new())
    assert take(ledger).job.id == job


def test_the_work_stream_survives_a_flushed_group(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    ledger.client.xgroup_destroy(ledger.keys.stream, "ci-workers")
    assert take(ledger).job.id == job
