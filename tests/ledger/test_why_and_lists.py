"""What people can ask: why, lists, logs, dead letters."""

from __future__ import annotations

from typing import Any

import pytest
from raibid.ledger import Ledger, LedgerUnavailableError
from raibid.model.job import JobStatus

from tests.ledger.conftest import new, put, take


def test_why_names_the_limit_and_who_uses_it(ledger: Ledger) -> None:
    ledger.set_limit("repo", "acme/app", 1)
    first, second = put(ledger, new(), new())
    why = ledger.why(second)
    assert (why.blocked_by, why.limit, why.holders) == ("repo", 1, (first,))
    assert why.sentence == f"1st in queue; repository limit 1 reached by {first}"


def test_why_says_paused_held_running_and_next(ledger: Ledger) -> None:
    running, queued, held = put(ledger, new(), new(), new(hold=True))
    take(ledger, "agent-7")
    assert ledger.why(running).sentence.startswith("running on agent-7, attempt 1 of 3")
    assert ledger.why(queued).sentence == "next: the first free agent takes it"
    assert ledger.why(held).sentence == "held: waits for approval"
    ledger.pause()
    assert ledger.why(queued).sentence == "1st in queue; the queue is paused"


def test_why_estimates_from_the_repositorys_own_builds(ledger: Ledger) -> None:
    ledger.set_window(1)
    put(ledger, new())
    claim = take(ledger)
    started = ledger.client.hget(ledger.keys.job + claim.job.id, "started")
    assert started is not None
    ledger.client.hset(ledger.keys.job + claim.job.id, "started", int(started) - 70_000_000)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    _, last = put(ledger, new(), new())
    eta = ledger.why(last).eta
    assert eta is not None
    assert 70 <= eta < 80


def test_why_of_an_ended_job_gives_the_reason(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    ledger.cancel(job, "ann")
    assert ledger.why(job).sentence == "cancelled: cancelled by ann"


def test_pages_are_newest_first_and_neither_repeat_nor_skip(ledger: Ledger) -> None:
    jobs = put(ledger, *[new(f"acme/{n % 3}") for n in range(25)])
    seen, cursor = [], ""
    while True:
        page = ledger.records.page(limit=7, cursor=cursor)
        seen += [j.id for j in page.jobs]
        cursor = page.cursor
        if not cursor:
            break
    assert seen == sorted(jobs, reverse=True)


def test_filters_are_joined_by_and(ledger: Ledger) -> None:
    put(ledger, new("a/a"), new("a/a", ref="refs/heads/dev"), new("b/b", ref="refs/heads/dev"))
    found = ledger.records.page(repo="a/a", branch="dev", status=frozenset({JobStatus.QUEUED}))
    assert [(j.spec.repo, j.spec.branch) for j in found.jobs] == [("a/a", "dev")]
    assert ledger.records.page(status=frozenset({JobStatus.DEAD})).jobs == []


def test_log_chunks_are_read_from_any_point_and_end_with_the_status(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    for n in range(3):
        assert ledger.logs.append(claim.job.id, claim.token, f"{n}\n".encode(), step="build")
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    chunks = ledger.logs.read(claim.job.id)
    assert [c.data for c in chunks] == [b"0\n", b"1\n", b"2\n", b""]
    assert (chunks[0].step, chunks[0].attempt, chunks[-1].end) == ("build", 1, "success")
    assert ledger.logs.read(claim.job.id, after=chunks[1].id) == chunks[2:]


def test_a_log_at_its_cap_takes_no_more_and_says_so(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    assert ledger.logs.append(claim.job.id, claim.token, b"x" * 8, cap=10)
    assert not ledger.logs.append(claim.job.id, claim.token, b"x" * 8, cap=10)
    assert ledger.logs.append(claim.job.id, claim.token, b"the last words", cap=0)


def test_an_ended_job_waits_for_the_archive_until_it_is_there(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    ledger.cancel(job)
    assert ledger.records.unarchived() == [job]
    ledger.records.archived(job)
    assert ledger.records.unarchived() == []
    assert 0 < int(ledger.client.ttl(ledger.keys.log + job)) <= 600, "its log leaves Redis soon"


def test_one_unreadable_record_does_not_hide_the_others(ledger: Ledger) -> None:
    bad, good = put(ledger, new(), new())
    ledger.client.hset(ledger.keys.job + bad, "spec", "{")
    assert [j.id for j in ledger.records.page().jobs] == [good]


def test_a_chunk_whose_answer_was_lost_is_not_stored_twice(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    put(ledger, new())
    claim = take(ledger)
    write = ledger.logs.writer(claim.job.id, claim.token)
    write(b"one\n")
    with monkeypatch.context() as patch:
        patch.setattr(write, "_logs", Deaf(ledger))
        with pytest.raises(LedgerUnavailableError):
            write(b"two\n")
    assert write(b"two\n")
    write(b"three\n")
    assert [c.data for c in ledger.logs.read(claim.job.id)] == [b"one\n", b"two\n", b"three\n"]


class Deaf:
    """Does as it is told and loses the answer."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def append(self, *args: Any, **kw: Any) -> bool:
        self._ledger.logs.append(*args, **kw)
        raise LedgerUnavailableError("the connection broke")
