"""Coalescing: fewer writes than requests, and one request's failure is its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from raibid.api.batcher import Batcher
from raibid.api.errors import OverloadedError
from raibid.ledger import Enqueued, LedgerError, LedgerUnavailableError, NewJob
from raibid.model.job import JobStatus

from tests.api.conftest import spec


class Recorder:
    """An enqueue that keeps its batches, and waits for `gate`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.entered = threading.Event()

    def __call__(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        self.batches.append([job.dedupe for job in jobs])
        self.entered.set()
        self.gate.wait(20)
        if any(job.dedupe == "poison" for job in jobs):
            raise LedgerError("unreadable")
        if any(job.dedupe == "down" for job in jobs):
            raise LedgerUnavailableError("no answer")
        return [Enqueued(job.dedupe, True, JobStatus.QUEUED) for job in jobs]


def new(dedupe: str) -> NewJob:
    return NewJob(spec=spec(), dedupe=dedupe)


async def submitted(batcher: Batcher, recorder: Recorder, *names: str) -> list[Enqueued | BaseException]:
    """One request first; the others while it is on its way."""
    first = asyncio.create_task(batcher.submit(new("first")))
    await asyncio.to_thread(recorder.entered.wait, 20)
    rest = [asyncio.create_task(batcher.submit(new(name))) for name in names]
    await asyncio.sleep(0)
    recorder.gate.set()
    return await asyncio.gather(first, *rest, return_exceptions=True)


def run(*names: str) -> tuple[Recorder, list[Enqueued | BaseException]]:
    recorder = Recorder()
    batcher = Batcher(recorder)
    answers = asyncio.run(submitted(batcher, recorder, *names))
    batcher.close()
    return recorder, answers


def test_requests_during_a_write_go_together_in_the_next() -> None:
    recorder, answers = run("a", "b", "c")
    assert recorder.batches == [["first"], ["a", "b", "c"]]
    assert [answer.id for answer in answers if isinstance(answer, Enqueued)] == ["first", "a", "b", "c"]


def test_a_batch_is_bounded() -> None:
    recorder, answers = run(*(str(i) for i in range(40)))
    assert [len(batch) for batch in recorder.batches] == [1, 16, 16, 8]
    assert all(isinstance(answer, Enqueued) for answer in answers)


def test_one_refused_job_does_not_take_the_others_with_it() -> None:
    _, answers = run("a", "poison", "b")
    assert [type(answer) for answer in answers] == [Enqueued, Enqueued, LedgerError, Enqueued]


def test_redis_down_fails_the_whole_batch_at_once() -> None:
    recorder, answers = run("a", "down")
    assert [type(answer) for answer in answers[1:]] == [LedgerUnavailableError] * 2
    assert len(recorder.batches) == 2


def test_a_request_that_gave_up_does_not_disturb_the_others() -> None:
    async def scenario() -> Enqueued:
        recorder = Recorder()
        batcher = Batcher(recorder)
        left = asyncio.create_task(batcher.submit(new("left")))
        await asyncio.to_thread(recorder.entered.wait, 20)
        left.cancel()
        stays = asyncio.create_task(batcher.submit(new("stays")))
        await asyncio.sleep(0)
        recorder.gate.set()
        return await stays

    assert asyncio.run(scenario()).id == "stays"


def test_too_many_waiting_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raibid.api.batcher._MOST_WAITING", 2)
    _, answers = run("a", "b", "c")
    assert isinstance(answers[3], OverloadedError)
