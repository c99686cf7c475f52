"""Kubernetes in memory, behind the controller's protocol: versions, lists, watches, and a few of its bad days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, Pod
from raibid.contract import AGENT_APP, Annotations
from raibid.controller.kube import Change, Changes, Listing, Manifest
from raibid.kube.errors import KubeConflictError, KubeError, KubeNotFoundError, KubeUnavailableError

STARTED = "2026-11-21T15:00:00Z"


@dataclass
class FakeCluster:
    """Objects by name, and every change to them since the beginning."""

    now: Callable[[], str] = lambda: STARTED
    pod_objects: dict[str, Pod] = field(default_factory=dict)
    job_objects: dict[str, Job] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    cron_job: dict[str, Any] | None = None
    unlabelled: set[str] = field(default_factory=set)  #: pods that no list of the pool's shows
    fails: list[KubeError] = field(default_factory=list)  #: each ends one call
    events_refused: KubeError | None = None
    refuses: KubeError | None = None  #: every new Job, as a quota or a policy does
    taken: set[str] = field(default_factory=set)  #: names of Jobs that no list shows
    finalizers: bool = False  #: a deleted Job stays, with the time of its deletion
    lists: int = 0
    history: list[Change[Any]] = field(default_factory=list)
    forgotten: int = 0  #: changes before it cannot be watched: 410 Gone
    most_unfinished: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    # --- what happens in it ----------------------------------------------------------------------------

    def put(self, item: Pod | Job) -> None:
        name = _name(item)
        if isinstance(item, Pod):
            self.pod_objects[name] = item
        else:
            self.job_objects[name] = item
            self.most_unfinished = max(self.most_unfinished, len(self.unfinished))
        self._tell(Change(item))

    def remove(self, name: str, *, unseen: bool = False) -> None:
        item: Pod | Job = self.pod_objects.pop(name, None) or self.job_objects.pop(name)
        if not unseen:
            self._tell(Change(item, deleted=True))

    def forget(self) -> None:
        """As after a long time, or a restart: no watch can go on from where it was."""
        self.forgotten = len(self.history) + 1
        self._tell(Change(None))

    def end_job(self, name: str, *, failed: bool = False, started: str = STARTED, ended: str = STARTED) -> None:
        condition = {"type": "Failed" if failed else "Complete", "status": "True", "lastTransitionTime": ended}
        self.put(_job(name, {"startTime": started, "conditions": [condition]}, created=started))

    def start_job(self, name: str, *, started: str) -> None:
        self.put(_job(name, {"startTime": started, "active": 1, "ready": 1}, created=started))

    @property
    def unfinished(self) -> list[str]:
        return [name for name, job in self.job_objects.items() if not (job.status and job.status.conditions)]

    def _tell(self, change: Change[Any]) -> None:
        self.history.append(change)
        self._news.set()
        self._news = asyncio.Event()

    # --- the protocol ----------------------------------------------------------------------------------

    async def pods(self) -> Listing[Pod]:
        self._may_fail()
        self.lists += 1
        shown = [pod for name, pod in self.pod_objects.items() if name not in self.unlabelled]
        return Listing(tuple(shown), str(len(self.history)))

    async def pod_changes(self, version: str) -> Changes[Pod]:
        async for change in self._changes(version, Pod):
            yield change

    async def pod_exists(self, name: str) -> bool:
        self._may_fail()
        return name in self.pod_objects

    async def warnings(self, **about: str) -> Sequence[Event]:
        if self.events_refused:
            raise self.events_refused
        return [e for e in self.events if all(getattr(e.involvedObject, k) == v for k, v in about.items())]

    async def jobs(self) -> Listing[Job]:
        self._may_fail()
        return Listing(tuple(self.job_objects.values()), str(len(self.history)))

    async def job_changes(self, version: str) -> Changes[Job]:
        async for change in self._changes(version, Job):
            yield change

    async def template(self, name: str) -> Manifest:
        self._may_fail()
        if self.cron_job is None:
            raise KubeNotFoundError(f"CronJob {name}: not found (404)")
        return self.cron_job

    async def create_job(self, job: Manifest) -> None:
        self._may_fail()
        await asyncio.sleep(0)  # others get their turn, as between two requests
        name = job["metadata"]["name"]
        if self.refuses:
            raise self.refuses
        if name in self.job_objects or name in self.taken:
            raise KubeConflictError(f"Job {name}: already exists (409)")
        self.put(_job(name, {}, created=self.now(), labels=job["metadata"]["labels"]))

    async def delete_job(self, name: str) -> None:
        self._may_fail()
        if self.finalizers and (job := self.job_objects.get(name)) and job.metadata:
            job.metadata.deletionTimestamp = datetime.fromisoformat(STARTED)
            self.put(job)
        elif name in self.job_objects:
            self.remove(name)

    async def _changes(self, version: str, kind: type[Any]) -> AsyncGenerator[Change[Any], None]:
        seen = int(version)
        while True:
            self._may_fail()
            if seen < self.forgotten:
                raise KubeUnavailableError("watch: too old resource version (410)")
            for change in self.history[seen:]:
                seen += 1
                if isinstance(change.item, kind):
                    yield change
            if seen == len(self.history):
                await self._news.wait()

    def _may_fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)


def cron_job(*, most: str = "7", least: str = "0", **spec: Any) -> dict[str, Any]:
    """The template as the stack emits it, as far as the controller reads it."""
    pod = {"metadata": {"labels": {"app.kubernetes.io/name": AGENT_APP}}, "spec": {"containers": [{"name": "agent"}]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": AGENT_APP,
            "uid": "cron-1",
            "annotations": {Annotations.MAX_AGENTS: most, Annotations.MIN_AGENTS: least},
        },
        "spec": {
            "suspend": True,
            "successfulJobsHistoryLimit": 5,
            "failedJobsHistoryLimit": 20,
            "jobTemplate": {
                "metadata": {"labels": {"app.kubernetes.io/name": AGENT_APP}},
                "spec": {"backoffLimit": 0, "futureField": {"kept": True}, "template": pod},
            },
            **spec,
        },
    }


def _job(name: str, status: dict[str, Any], *, created: str, labels: Mapping[str, str] | None = None) -> Job:
    metadata = {"name": name, "uid": name, "creationTimestamp": created, "labels": dict(labels or {})}
    return msgspec.convert({"metadata": metadata, "status": status}, Job)


def _name(item: Pod | Job) -> str:
    assert item.metadata
    assert item.metadata.name
    return item.metadata.name
