"""Coalescing: while one enqueue is on its way to Redis, the next requests gather; then they go as one.

Owns: the batches, the one thread that talks to Redis for webhooks, giving each request its own answer.
Leaves to others: what a job is (`raibid.forge`), the atomic step itself (`raibid.ledger`).

One round trip per request costs 60-75 µs of CPU in redis-py; in batches 8 (spec/runtime.md 3.1, 3.2).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from raibid.api.errors import OverloadedError
from raibid.ledger import Enqueued, LedgerError, LedgerFullError, LedgerUnavailableError, NewJob

_LARGEST_BATCH: Final = 16
"""Small enough that Redis works on one while this process reads the next: at 32 connections 128 gave 6,600 req/s,
16 gave 6,900, 8 gave 5,300 (a round trip each)."""
_MOST_WAITING: Final = 4_096
"""Beyond this the last one would wait longer than a forge does; it is told so at once."""

Answer = Enqueued | LedgerError


class Batcher:
    """Takes jobs one by one from coroutines, hands them to the ledger in batches."""

    def __init__(self, enqueue: Callable[[Sequence[NewJob]], list[Enqueued]], *, patience: float = 4.0) -> None:
        self._enqueue = enqueue
        self._patience = patience
        self._late = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="enqueue")
        self._waiting: deque[tuple[NewJob, asyncio.Future[Enqueued]]] = deque()
        self._busy = False

    async def submit(self, job: NewJob) -> Enqueued:
        """Return when the ledger has the job.

        Raises:
            OverloadedError: too many are waiting. LedgerError: the ledger did not take it, or not within `patience`
                seconds; then it may still get in, and the next delivery finds it by its dedupe key.
        """
        if self._late:
            raise _too_late()
        if len(self._waiting) >= _MOST_WAITING:
            raise OverloadedError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Enqueued] = loop.create_future()
        self._waiting.append((job, answer))
        if not self._busy:
            self._busy = True
            # Not at once: the other requests of this turn of the event loop join the batch.
            loop.call_soon(self._send, loop)
        return await answer

    def close(self) -> None:
        """Wait for the batch in flight, then end the thread."""
        self._thread.shutdown(wait=True)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _LARGEST_BATCH))]
        # A request that gave up (its client left) is sent nevertheless: it may have been counted as accepted.
        work = loop.run_in_executor(self._thread, self._ask, [job for job, _ in batch])
        # One timer per batch: `asyncio.timeout` per request was about 10 µs of 165 under the profiler.
        alarm = loop.call_later(self._patience, self._give_up, batch)
        work.add_done_callback(lambda done: self._deliver(loop, batch, alarm, done))

    def _give_up(self, batch: list[tuple[NewJob, asyncio.Future[Enqueued]]]) -> None:
        """Redis hangs: tell those in flight and those behind them, and take nobody else until it answers."""
        self._late = True
        for _, answer in (*batch, *self._waiting):
            if not answer.done():
                answer.set_exception(_too_late())
        self._waiting.clear()

    def _deliver(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[NewJob, asyncio.Future[Enqueued]]],
        alarm: asyncio.TimerHandle,
        done: asyncio.Future[list[Answer]],
    ) -> None:
        alarm.cancel()
        self._late = False
        if self._waiting:
            self._send(loop)
        else:
            self._busy = False
        failure = done.exception()
        for position, (_, answer) in enumerate(batch):
            if answer.done():
                continue
            result = failure or done.result()[position]
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    def _ask(self, jobs: list[NewJob]) -> list[Answer]:
        try:
            return list(self._enqueue(jobs))
        except (LedgerUnavailableError, LedgerFullError) as error:
            return [error] * len(jobs)
        except LedgerError as error:
            if len(jobs) == 1:
                return [error]
        # Something about one of them: it must not take the others with it. Known dedupe keys make this repeatable.
        return [answer for job in jobs for answer in self._ask([job])]


def _too_late() -> LedgerUnavailableError:
    return LedgerUnavailableError("Redis did not answer in time")
