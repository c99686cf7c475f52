"""The lease on a job, renewed by a thread of its own while the build runs.

Owns: heartbeats, and the decision that the lease is lost. Never stops a process itself: it asks (`stop.py`).
Leaves to others: what the ledger does with a beat (`raibid.ledger`), killing the build (`process_tree.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from raibid.ledger import Beat, LedgerError, Timing
from raibid.worker.stop import Stop, StopReason

_log = logging.getLogger(__name__)
_RETRY_SECONDS: Final = 1.0


class Lease:
    """Beats from entering to leaving it.

    The agent judges by its own monotonic clock: when a whole lease has passed since the last beat that was
    answered was *sent*, the ledger may have given the job away, so the build ends even if nobody could say so.
    Two threads, because a beat into a dead network blocks for longer than a lease may last.
    """

    def __init__(
        self,
        beat: Callable[[], Beat],
        timing: Timing,
        stop: Stop,
        *,
        since: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._beat = beat
        self._timing = timing
        self._stop = stop
        self._clock = clock
        self._renewed = since
        self._over = threading.Event()
        self._asking = threading.Lock()
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for name, run in (("lease-beat", self._keep_beating), ("lease-watch", self._watch))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not joined: a beat that hangs in a dead network must not hold up the agent's exit.
        with self._asking:
            self._over.set()

    def _keep_beating(self) -> None:
        pause = self._timing.beat
        while not self._over.wait(pause):
            pause = self._timing.beat
            sent = self._clock()
            try:
                answer = self._beat()
            except LedgerError as error:
                _log.warning("no heartbeat: %s", error)
                pause = min(_RETRY_SECONDS, self._timing.beat)
                continue
            if answer is Beat.STALE:
                self._lost("the ledger says so")
                return
            self._renewed = sent
            if answer is Beat.CANCEL:
                self._ask(StopReason.CANCELLED)

    def _watch(self) -> None:
        while True:
            left = self._renewed + self._timing.lease - self._clock()
            if left <= 0:
                self._lost(f"no heartbeat was answered for {self._timing.lease:g} s")
                return
            if self._over.wait(left):
                return

    def _lost(self, why: str) -> None:
        if self._ask(StopReason.STALE):
            _log.warning("lease lost: %s", why)

    def _ask(self, reason: StopReason) -> bool:
        """Ask for the build's end, unless the lease was left meanwhile: nobody listens then."""
        with self._asking:
            if self._over.is_set():
                return False
            self._stop.request(reason)
            return True
