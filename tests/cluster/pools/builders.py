"""Agents without processes: what a pod does in the place of `raibid agent`, with the real ledger and the real lease.

Owns: claim, heartbeats, a build that lasts as long as the test says, the ledger's last word.
Leaves to others: the pod around it (`hands.py`), real builds (`raibid.worker`, in tests with a node).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from raibid.contract import ExitCode
from raibid.ledger import Claim, Ledger, LedgerUnavailableError, StaleTokenError
from raibid.model.job import JobStatus
from raibid.worker.lease import Lease
from raibid.worker.stop import Stop, StopReason

from tests.cluster.pools.hands import Run

_PATIENCE_AFTER_LEASE: Final = 15.0
_AGAIN: Final = 0.25


@dataclass(frozen=True)
class Build:
    """One claim, as it was."""

    agent: str
    job: str
    at: float
    """Unix seconds of the claim."""


@dataclass
class Builders:
    """Every agent of a pool. Builds last `seconds`, and as long as `gate` is closed."""

    connect: Callable[[], Ledger]
    seconds: float = 0.5
    gate: threading.Event = field(default_factory=threading.Event)
    builds: list[Build] = field(default_factory=list)
    ended: dict[str, float] = field(default_factory=dict)
    """Agent → when it ended, Unix seconds."""
    idle: list[str] = field(default_factory=list)
    """Agents that ended without ever having had a job."""

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, run: Run) -> int:
        """An agent's life; its exit code."""
        ledger = self.connect()
        try:
            # A killed agent says nothing any more, which is what an agent does that has lost its lease.
            with Stop() as stop, run.heard_by(partial(stop.request, StopReason.STALE)):
                return self._live(ledger, run, stop)
        finally:
            self.ended[run.name] = time.time()
            ledger.close()

    def _live(self, ledger: Ledger, run: Run, stop: Stop) -> int:
        taken = self._claim(ledger, run)
        if taken is None:
            self.idle.append(run.name)
            return ExitCode.OK
        claim, since = taken
        self.builds.append(Build(run.name, claim.job.id, time.time()))
        with Lease(partial(ledger.beat, claim.job.id, claim.token), ledger.timing, stop, since=since):
            self._work(stop)
            self._tell(ledger, claim, stop)
        return ExitCode.OK

    def _claim(self, ledger: Ledger, run: Run) -> tuple[Claim, float] | None:
        deadline = time.monotonic() + ledger.timing.lease + _PATIENCE_AFTER_LEASE
        while not run.ended.is_set() and time.monotonic() < deadline:
            try:
                newest, asked = ledger.newest(), time.monotonic()
                if claim := ledger.claim(run.name):
                    return claim, asked
                ledger.wait(newest, _AGAIN)
            except LedgerUnavailableError:
                run.ended.wait(_AGAIN)
        return None

    def _work(self, stop: Stop) -> None:
        done = time.monotonic() + self.seconds
        while stop.reason is None and (time.monotonic() < done or not self.gate.is_set()):
            stop.wait(0.02)

    def _tell(self, ledger: Ledger, claim: Claim, stop: Stop) -> None:
        while stop.reason is not StopReason.STALE:
            outcome = JobStatus.CANCELLED if stop.reason is StopReason.CANCELLED else JobStatus.SUCCESS
            try:
                return ledger.finish(claim.job.id, claim.token, outcome)
            except StaleTokenError:
                return None
            except LedgerUnavailableError:
                time.sleep(_AGAIN)  # between two tries, as the agent does
        return None
