"""Why a build must end before its time, told by signal handlers and threads to whoever waits.

Owns: one reason and a way to wait for it.
Leaves to others: when to ask for it (`agent.py`, `lease.py`), what ends then (`process_tree.py`).

Without locks on purpose: a signal handler runs in the middle of the main thread, and would wait for ever for a
lock that this very thread holds (`threading.Event.set` has one).
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from types import FrameType, TracebackType
from typing import Self

from raibid.worker.errors import InterruptedBuildError


class StopReason(StrEnum):
    """Who wants the build to end."""

    CANCELLED = "cancelled"  #: a person: kill, finish as cancelled
    STALE = "lease lost"  #: another agent may have the job: kill, and never write about it again
    TERMINATED = "agent stopped"  #: SIGTERM: kill, hand the job back


class Stop:
    """The first reason stays, but a lost lease overrides any other: only it forbids writing."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def request(self, reason: StopReason) -> None:
        """Ask for the end. Safe in a signal handler and from any thread."""
        if self.reason is None or reason is StopReason.STALE:
            self.reason = reason
        with suppress(BlockingIOError):  # full of earlier requests: whoever waits is awake already
            os.write(self._writing, b"!")

    def wait(self, timeout: float) -> bool:
        """Whether the end was asked for, at the latest after `timeout` seconds."""
        return bool(select.select([self._reading], [], [], max(0.0, timeout))[0])

    def check(self) -> None:
        """Raise InterruptedBuildError when the end was asked for."""
        if self.reason is not None:
            raise InterruptedBuildError(str(self.reason))

    def fileno(self) -> int:
        """Readable once the end was asked for: for `select` beside other things."""
        return self._reading

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reading)
        os.close(self._writing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def signals(stop: Stop, reason: StopReason = StopReason.TERMINATED) -> Iterator[None]:
    """SIGTERM and SIGINT end the build instead of the process. In the main thread only."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.request(reason)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
