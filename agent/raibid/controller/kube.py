"""The seam to Kubernetes: what the controller asks of a cluster, and that by lightkube.

Owns: the connection, the selectors of the pool's objects.
Leaves to others: the client's errors (`raibid.kube`), what the objects mean (`endings.py`, `job_creator.py`), when to
ask again (`watching.py`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from lightkube import AsyncClient
from lightkube.core.client import FieldSelector
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, Pod
from lightkube.types import CascadeType

from raibid.contract import AGENT_APP, Labels
from raibid.kube.errors import KubeNotFoundError
from raibid.kube.seam import configured, translated

POOL_PODS: Final = {Labels.APP: AGENT_APP}
NUMBERED: Final = re.compile(rf"{AGENT_APP}-(\d+)")
"""Names that the controller gives. Whoever counts Jobs and whoever numbers them must mean the same ones."""

# Plain dictionaries, unlike Job: a field of the template that this client's models do not know stays in it.
_CronJob: Final = create_namespaced_resource("batch", "v1", "CronJob", "cronjobs", verbs=["get"])
_RawJob: Final = create_namespaced_resource("batch", "v1", "Job", "jobs", verbs=["post"])

T = TypeVar("T", Pod, Job)
Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Listing(Generic[T]):
    """What there was at one moment; a watch goes on from `version`."""

    items: tuple[T, ...]
    version: str


@dataclass(frozen=True)
class Change(Generic[T]):
    """An object's latest state, or its last one."""

    item: T
    deleted: bool = False


Changes = AsyncGenerator[Change[T], None]
"""A watch: close it when it is left, or its connection stays."""


class Cluster(Protocol):
    """What the controller asks of Kubernetes; tests have one in memory. Everything raises KubeError."""

    async def pods(self) -> Listing[Pod]:
        """The agents' pods."""

    def pod_changes(self, version: str) -> Changes[Pod]:
        """What happens to them after that version, without end."""

    async def pod_exists(self, name: str) -> bool:
        """Whether there is a pod of that name, whatever its labels."""

    async def warnings(self, **about: str) -> Sequence[Event]:
        """Kubernetes' warnings about objects, selected by fields of `involvedObject`."""

    async def jobs(self) -> Listing[Job]:
        """The agents' Jobs: KEDA's, the controller's own, and what was made by hand under such a name."""

    def job_changes(self, version: str) -> Changes[Job]:
        """What happens to them after that version, without end."""

    async def template(self, name: str) -> Manifest:
        """The CronJob of that name, as it is."""

    async def create_job(self, job: Manifest) -> None:
        """Create a Job. Raises KubeConflictError when its name is taken."""

    async def delete_job(self, name: str) -> None:
        """Delete a finished Job with its pod; one that is gone already is no error."""


class KubeCluster:
    """One namespace, as the service account or KUBECONFIG of this process sees it."""

    def __init__(self, client: AsyncClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    @classmethod
    def connect(cls, namespace: str) -> KubeCluster:
        """By the pod's service account, else by KUBECONFIG; opens no connection yet.

        Raises:
            KubeConfigError: neither of them can be used.
        """
        return cls(configured(lambda: AsyncClient(namespace=namespace)), namespace)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def pods(self) -> Listing[Pod]:
        """As the protocol says."""
        return await self._list(Pod, **POOL_PODS)

    def pod_changes(self, version: str) -> Changes[Pod]:
        """As the protocol says."""
        return self._watch(Pod, version, **POOL_PODS)

    async def pod_exists(self, name: str) -> bool:
        """As the protocol says."""
        try:
            with translated(f"pod {name}"):
                await self._client.get(Pod, name)
        except KubeNotFoundError:
            return False
        return True

    async def warnings(self, **about: str) -> Sequence[Event]:
        """As the protocol says."""
        fields: FieldSelector = {"type": "Warning", **{f"involvedObject.{name}": about[name] for name in about}}
        with translated("events"):
            found = self._client.list(Event, namespace=self._namespace, fields=fields)
            return [event async for event in found]

    async def jobs(self) -> Listing[Job]:
        """As the protocol says."""
        everything = await self._list(Job)
        return Listing(tuple(job for job in everything.items if of_agents(job)), everything.version)

    async def job_changes(self, version: str) -> Changes[Job]:
        """As the protocol says."""
        async with aclosing(self._watch(Job, version)) as changes:
            async for change in changes:
                if of_agents(change.item):
                    yield change

    async def template(self, name: str) -> Manifest:
        """As the protocol says."""
        with translated(f"CronJob {name}"):
            return await self._client.get(_CronJob, name)

    async def create_job(self, job: Manifest) -> None:
        """As the protocol says."""
        with translated(f"Job {job['metadata']['name']}"):
            await self._client.create(_RawJob(**job))

    async def delete_job(self, name: str) -> None:
        """As the protocol says."""
        try:
            with translated(f"Job {name}"):
                # The API's own default for Jobs is to orphan their pods.
                await self._client.delete(Job, name, cascade=CascadeType.BACKGROUND)
        except KubeNotFoundError:
            return

    async def _list(self, kind: type[T], **labels: str) -> Listing[T]:
        with translated(f"list of {kind.__name__}s"):
            found = self._client.list(kind, namespace=self._namespace, labels={**labels})
            items = tuple([item async for item in found])
            return Listing(items, found.resourceVersion)

    async def _watch(self, kind: type[T], version: str, **labels: str) -> Changes[T]:
        with translated(f"watch of {kind.__name__}s"):
            told = self._client.watch(kind, namespace=self._namespace, labels={**labels}, resource_version=version)
            async with aclosing(cast(AsyncGenerator[tuple[str, T], None], told)) as changes:
                async for what, item in changes:
                    yield Change(item, deleted=what == "DELETED")


def of_agents(job: Job) -> bool:
    """Whether a Job is an agent's: by KEDA's label, or by a name that the controller would give."""
    metadata = job.metadata or ObjectMeta()
    return (metadata.labels or {}).get(Labels.SCALED_JOB) == AGENT_APP or bool(NUMBERED.fullmatch(metadata.name or ""))
