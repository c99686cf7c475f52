"""From a push to what people see of it: each hop of the line, at the moment at which it happened.

Owns: which hops there are, where each can be seen, when it was.
Leaves to others: pushing (`tests.cluster.parts.developer`), showing it (`__main__.py`), the parts themselves
(`tests.cluster.pools.pool`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import requests
from lightkube import Client
from lightkube.models.core_v1 import ContainerStatus
from lightkube.resources.batch_v1 import Job as KubeJob
from lightkube.resources.core_v1 import Pod
from raibid.contract import Labels
from raibid.ledger import Ledger
from raibid.model.job import Job, JobStatus

from components.agent_pod import NAME, NAMESPACE
from tests.cluster.errors import ClusterError
from tests.cluster.parts.developer import Developer, Status
from tests.cluster.pools.pool import Pool

T = TypeVar("T")
_PAUSE: Final = 0.05
_BUDGET: Final = 120.0


class LineStuckError(ClusterError):
    """A hop did not happen in time; the message says which, and what `raibid why` says."""


@dataclass(frozen=True)
class Hop:
    """Something that happened on the way, in Unix seconds."""

    name: str
    at: float
    detail: str = ""


class Watch:
    """One commit's way. Hops whose moment the records hold are told from there, the others when they are seen."""

    def __init__(self, pool: Pool, developer: Developer, repository: str, sha: str, *, event: str = "push") -> None:
        self._pool = pool
        self._developer = developer
        self._repository, self._sha, self._event = repository, sha, event
        self._kube: Client = pool.control_plane.client()
        self._known = {job.metadata.name for job in self._agents() if job.metadata}
        self._ledger: Ledger = pool.ledger()
        self.job: Job | None = None

    def until_enqueued(self) -> Hop:
        """The forge's webhook came, was verified, and is a job."""
        job = self._wait(self._find, "the forge's webhook becomes a job")
        self.job = job
        return Hop("webhook → job", job.created, f"{job.id} {job.status}")

    def until_held(self) -> Hop:
        """It waits for a person."""
        job = self._wait(lambda: self._standing(JobStatus.HELD), "the job waits for approval")
        return Hop("held for approval", time.time(), job.spec.fork)

    def approve(self) -> Hop:
        """A person approves it, by the API."""
        job = self._wait(self._find, "there is a job")
        headers = {"Authorization": f"Bearer {self._pool.line.token()}"}
        answer = requests.post(f"{self._pool.line.url}/jobs/{job.id}/approve", headers=headers, timeout=10)
        answer.raise_for_status()
        return Hop("approved", time.time(), job.id)

    def until_shown(self) -> Iterator[Hop]:
        """From the queue to the badge."""
        made = self._wait(self._new_agent, "a Kubernetes Job is made")
        yield Hop("Kubernetes Job", time.time(), made)
        pod = self._wait(self._started_pod, "the agent's container starts")
        yield Hop("container running", time.time(), pod)
        job = self._wait(self._claimed, "the agent claims the job")
        yield Hop("claimed", job.started, f"by {job.owner}")
        first = self._wait(lambda: self._ledger.logs.read(job.id), "the first line of the log")[0]
        yield Hop("first log line", int(first.id.partition("-")[0]) / 1000, first.data.decode().split("\n")[0])
        ended = self._wait(self._ended, "the build ends")
        yield Hop("built", ended.finished, str(ended.status))
        shown = self._wait(self._shown, "the forge shows the commit's status")
        yield Hop("commit status", time.time(), f"{shown.context}: {shown.state}, {shown.description}")
        if self._event == "push":
            yield Hop("badge", time.time(), self._wait(lambda: self._badge(ended), "the badge says so"))

    def statuses(self) -> list[Status]:
        """What the forge shows beside the commit."""
        return self._developer.statuses(self._repository, self._sha)

    def _find(self) -> Job | None:
        jobs = self._ledger.records.page(limit=50).jobs
        mine = (job for job in jobs if job.spec.sha == self._sha and job.spec.event == self._event)
        return next(mine, None)

    def _standing(self, status: JobStatus) -> Job | None:
        job = self._find()
        return job if job and job.status is status else None

    def _claimed(self) -> Job | None:
        job = self._find()
        return job if job and job.started else None

    def _ended(self) -> Job | None:
        self.job = self._find()
        return self.job if self.job and self.job.status.terminal else None

    def _shown(self) -> Status | None:
        context = "raibid/pr" if self._event == "pull_request" else "raibid"
        mine = (one for one in self.statuses() if one.context == context and one.state != "pending")
        return next(mine, None)

    def _badge(self, job: Job) -> str:
        word = {"success": "passing", "failed": "failing"}.get(str(job.status), str(job.status))
        answer = requests.get(f"{self._pool.line.url}/badges/{self._repository}.svg", timeout=10)
        return word if answer.ok and word in answer.text else ""

    def _agents(self) -> list[KubeJob]:
        return list(self._kube.list(KubeJob, namespace=NAMESPACE, labels={Labels.SCALED_JOB: NAME}))

    def _new_agent(self) -> str:
        names = [job.metadata.name for job in self._agents() if job.metadata and job.metadata.name]
        return next((name for name in names if name not in self._known), "")

    def _started_pod(self) -> str:
        for pod in self._kube.list(Pod, namespace=NAMESPACE, labels={"app.kubernetes.io/name": NAME}):
            labels = (pod.metadata and pod.metadata.labels) or {}
            containers = (pod.status and pod.status.containerStatuses) or []
            if labels.get("job-name") not in self._known and any(map(_has_started, containers)):
                return (pod.metadata and pod.metadata.name) or ""
        return ""

    def _wait(self, look: Callable[[], T | None], what: str) -> T:
        deadline = time.monotonic() + _BUDGET
        while not (found := look()):
            if time.monotonic() > deadline:
                job = self._find()
                message = f"not within {_BUDGET:.0f} s: {what}; the ledger says: {job}"
                raise LineStuckError(f"{message}\n{self._pool.logs()}")
            time.sleep(_PAUSE)
        return found


def _has_started(container: ContainerStatus) -> bool:
    state = container.state
    return bool(state and (state.running or state.terminated))
