"""A pool's jobs with a stopwatch beside them: enqueue → Job → container → claim → first line → end → Job complete.

Owns: where each moment is seen (watches for Kubernetes' objects, Redis' own clock for the ledger's), one job's times.
Leaves to others: the pool (`tests.cluster.pools.pool`), figures (`__main__.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec
from lightkube.resources.core_v1 import Pod
from raibid.ledger import Ledger, NewJob
from raibid.model.job import Job, JobSpec, JobStatus
from raibid.model.job_id import new_job_id

from components.agent_pod import NAMESPACE
from tests.cluster.errors import ClusterError
from tests.cluster.measure.course import Agent, Course
from tests.cluster.parts.git_http import GitServer
from tests.cluster.pools.job_watch import JobWatch
from tests.cluster.pools.pool import Pool
from tests.cluster.pools.watch import Watch
from tests.waiting import until

T = TypeVar("T")
_BUDGET: Final = 180.0
_LINE: Final = b"the first line"


class NotMeasuredError(ClusterError):
    """A job did not end, or not well, so its times say nothing; the message holds the parts' logs."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """One job's way, in seconds from its enqueueing."""

    made: float
    running: float
    claimed: float
    line: float


class Stopwatch:
    """One pool that is entered, watched from now on."""

    def __init__(self, pool: Pool, directory: Path) -> None:
        self.pool: Final = pool
        client = pool.control_plane.client()
        self.jobs: Final = JobWatch(client, NAMESPACE)
        self._pods = Watch(client, Pod, NAMESPACE, self._pod_changed)
        self._git = GitServer(directory / "git", pool.address)
        self._lock = threading.Lock()
        self._kube_jobs: dict[str, str] = {}
        self._running: dict[str, float] = {}
        self._ledger: Ledger = pool.ledger()
        self._stack = ExitStack()

    def await_zero(self) -> None:
        """Return when no agent is there, and none is wanted."""
        self._wait(lambda: not self.jobs.unfinished and not self._ledger.wanted(), "back to zero")

    def single(self) -> Times:
        """One job from zero agents. Raises NotMeasuredError."""
        spec = self._spec(seconds=0)
        began = time.time()
        (job,) = self._ended(self._enqueue(spec, 1))
        chunks = self._ledger.logs.read(job.id)
        first = next(chunk for chunk in chunks if _LINE in chunk.data)
        made, running = self._of(job)
        line = int(first.id.partition("-")[0]) / 1000
        return Times(made=made - began, running=running - began, claimed=job.started - began, line=line - began)

    def burst(self, jobs: int, *, seconds: float, most: int) -> Course:
        """So many jobs at once, each of which builds for so long. Raises NotMeasuredError."""
        spec = self._spec(seconds=seconds)
        before, began = len(self.jobs.seen), time.time()
        ended = self._ended(self._enqueue(spec, jobs))
        self.await_zero()
        finished = self.jobs.finished
        agents = [
            Agent(
                made=self._of(job)[0], claimed=job.started, ended=job.finished,
                complete=finished[self._kube_jobs[job.owner]],
            )
            for job in ended
        ]  # fmt: skip
        return Course(
            arrived=began, jobs=jobs, most=most, agents=tuple(agents), made=len(self.jobs.seen) - before,
            peak=self.jobs.peak, starts=sum(job.attempt + job.refunds for job in ended),
        )  # fmt: skip

    def _spec(self, *, seconds: float) -> JobSpec:
        """A job that says its line and then builds for so long; made before the watch starts."""
        pipeline = f"steps:\n  - name: hello\n    run: echo {_LINE.decode()}; sleep {seconds:g}\n"
        return self._git.job("measured", pipeline).spec

    def _enqueue(self, spec: JobSpec, count: int) -> list[str]:
        # Of a repository each: one repository alone may not have all agents, and the scaler is what is measured.
        specs = [msgspec.structs.replace(spec, repo=f"{spec.repo}-{number}") for number in range(count)]
        taken = self._ledger.enqueue([NewJob(spec=each, dedupe=new_job_id()) for each in specs])
        return [one.id for one in taken]

    def _ended(self, ids: Sequence[str]) -> list[Job]:
        def all_ended() -> list[Job]:
            found = [job for job in map(self._ledger.records.get, ids) if job and job.status.terminal]
            return found if len(found) == len(ids) else []

        jobs = self._wait(all_ended, "all have ended")
        for job in jobs:
            if job.status is not JobStatus.SUCCESS:
                raise NotMeasuredError(f"job {job.id} is {job.status}: {job.reason}\n{self.pool.logs()}")
        return jobs

    def _wait(self, condition: Callable[[], T], what: str) -> T:
        try:
            return until(condition, what, _BUDGET)
        except AssertionError as error:
            raise NotMeasuredError(f"{error}\n{self.pool.logs()}") from None

    def _of(self, job: Job) -> tuple[float, float]:
        """When the Job of the agent that had it was made, and when its container was seen to run."""
        # The kubelet tells the API server up to a second later: a short job has ended by then.
        self._wait(lambda: job.owner in self._running, f"{job.owner} is seen to run")
        kube_job = self._kube_jobs[job.owner]
        return self.jobs.seen[kube_job], self._running[job.owner]

    def _pod_changed(self, _event: str, pod: Pod) -> None:
        assert pod.metadata
        labels, name = pod.metadata.labels or {}, str(pod.metadata.name)
        states = [container.state for container in (pod.status and pod.status.containerStatuses) or []]
        with self._lock:
            self._kube_jobs[name] = labels.get("batch.kubernetes.io/job-name", "")
            if any(state and (state.running or state.terminated) for state in states):
                self._running.setdefault(name, time.time())

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._ledger.close)
            stack.enter_context(self._git)
            stack.enter_context(self.jobs)
            stack.enter_context(self._pods)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
