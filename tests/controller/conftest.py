"""What the controller's tests share: a controller running in the test's own event loop, jobs in a real ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from raibid.contract import GROUP
from raibid.controller.main import Scaler, Settings, control
from raibid.controller.watching import ControllerEvent
from raibid.ledger import Ledger, NewJob
from raibid.model.job import Job, JobSpec
from raibid.model.job_id import new_job_id

from tests.controller.fake_cluster import FakeCluster

T = TypeVar("T")
BUDGET = 30.0


@dataclass
class Room:
    """A cluster, a ledger, and what the controller said."""

    ledger: Ledger
    cluster: FakeCluster = field(default_factory=FakeCluster)
    events: list[ControllerEvent] = field(default_factory=list)

    @asynccontextmanager
    async def controller(self, *, direct: bool = False, resync: float = 60.0) -> AsyncIterator[None]:
        """A controller at work. It lists when it must; `resync` is long, so that only reasons make it look."""
        stop = asyncio.Event()
        settings = Settings(scaler=Scaler.DIRECT if direct else Scaler.KEDA, resync=resync)
        task = asyncio.create_task(control(settings, self.cluster, self.ledger, self.events.append, stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def until(self, condition: Callable[[], T], what: str = "the condition holds") -> T:
        """The condition's first true answer, asked for between the controller's own steps."""
        deadline = time.monotonic() + BUDGET
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"not within {BUDGET:.0f} s: {what}; said: {self.events}"
            await asyncio.sleep(0.01)
        return answer

    def said(self, kind: str) -> list[ControllerEvent]:
        return [event for event in self.events if event.kind == kind]

    def enqueue(self, count: int = 1) -> list[str]:
        spec = JobSpec(repo="acme/app", clone_url="https://forge.test/acme/app.git", ref="refs/heads/main")
        return [e.id for e in self.ledger.enqueue([NewJob(spec=spec, dedupe=new_job_id()) for _ in range(count)])]

    def running(self, owner: str) -> str:
        """A job that this agent has claimed."""
        (job,) = self.enqueue()
        claim = self.ledger.claim(owner)
        assert claim
        assert claim.job.id == job
        return job

    def falls_silent(self, job_id: str, *, beats: float = 2.0) -> None:
        """The agent that has this job has not renewed its lease for so long."""
        job, idle = self.ledger.keys.job + job_id, int(self.ledger.timing.beat * beats * 1000)
        owner, entry = self.ledger.client.hmget(job, "owner", "entry")
        assert owner
        assert entry
        self.ledger.client.xclaim(self.ledger.keys.stream, GROUP, owner, 0, [entry], idle=idle, justid=True)

    def job(self, job_id: str) -> Job:
        job = self.ledger.records.get(job_id)
        assert job
        return job

    def log(self, job_id: str) -> str:
        return b"".join(chunk.data for chunk in self.ledger.logs.read(job_id)).decode()


@pytest.fixture
def room(ledger: Ledger) -> Room:
    """A controller's surroundings; the window is wide, so that the controller alone decides."""
    ledger.set_window(100)
    return Room(ledger)
