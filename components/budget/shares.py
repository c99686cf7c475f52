"""What the budget makes of the numbers for those who enforce it: quotas, limit ranges, the kubelet's reservations.

Owns: ResourceQuota and LimitRange figures per namespace, what each kubelet must keep back so that the scheduler sees
exactly what the ledger leaves.
Leaves to others: the manifests (`components.namespaces`), the kubelet's file (`components.k3s`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.budget.agents import Agents
from components.budget.footprint import Footprint, Workload
from components.cores import cpu_list
from components.settings import Node, Profile, Reserved
from components.units import MI

AGENTS_NAMESPACE: Final = "ci"

POOLED_POD: Final = 32 * MI
"""The least memory that a pod of a pool is thought to ask for: it bounds how many there are, as each kubelet does."""

FLOOR: Final = (100, 128 * MI)
"""Default request (millicores, bytes) of a container without one; less where a namespace's smallest pod has less."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A namespace's ResourceQuota. It counts no CPU limits: that would force one on every container."""

    cpu: int
    memory: int
    memory_limit: int
    storage: int
    pods: int
    gpu: int = 0
    """Leases of the GPU (`requests.nvidia.com/gpu`); the agents' namespace has all of them."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A namespace's LimitRange for containers. It has no `max.cpu`: that would become everybody's CPU limit."""

    default_cpu: int
    default_memory: int
    """Request and limit of a container that states none."""
    max_memory: int


@dataclass(frozen=True, kw_only=True)
class KubeletReservation:
    """What the kubelet of a node keeps back (millicores, bytes)."""

    system_cpu: int
    system_memory: int
    """The system's and the models': what GPUs allocate comes out of the same memory and no scheduler counts it."""
    system_disk: int
    """The system's, and the volumes of local-path: they are on the same disk, and only this keeps scratch out."""
    kube_cpu: int
    kube_memory: int
    eviction_memory: int
    eviction_disk_percent: int
    reserved_cpus: str = ""
    """`reservedSystemCPUs`; takes the place of the two CPU figures. Empty: the node's cores are all alike."""
    static_cpus: bool = False
    """`cpuManagerPolicy: static`: containers with whole cores and requests equal to limits get these for themselves."""


def quotas(
    footprints: Iterable[Footprint], nodes: int, agents: Agents, gpu_leases: int
) -> tuple[dict[str, Quota], dict[str, Limits]]:
    """By namespace: a quota and a limit range.

    The agents' namespace gets the sum of what is declared there and not one agent more; its Deployments replace a pod
    only when there is room. So does a pool: how it is divided, rollouts included, is up to who fills it. The others
    get a second pod of each workload that starts the new one before the old one ends: a chart's upgrade rolls all its
    Deployments at once. The quota only lets them in; beside full agents they may have to wait for a build to end.
    """
    by_namespace: dict[str, list[Workload]] = defaultdict(list)
    for footprint in footprints:
        for workload in footprint.workloads:
            by_namespace[workload.namespace] += [workload] * (nodes if workload.every_node else workload.replicas)
    agent = Workload(
        name="agent",
        namespace=AGENTS_NAMESPACE,
        cpu=agents.cpu,
        memory=agents.memory,
        cpu_limit=agents.cpu_limit,
        memory_limit=agents.memory_limit,
    )
    by_namespace[AGENTS_NAMESPACE] += [agent] * agents.total
    names = sorted(by_namespace)
    return (
        {name: _quota(name, by_namespace[name], agents, gpu_leases) for name in names},
        {name: _limits(by_namespace[name]) for name in names},
    )


def _quota(namespace: str, pods: Sequence[Workload], agents: Agents, gpu_leases: int) -> Quota:
    ours = namespace == AGENTS_NAMESPACE
    surge = [] if ours else [pod for pod in dict.fromkeys(pods) if _surges(pod)]
    at_once = [*pods, *surge]
    return Quota(
        cpu=sum(pod.cpu for pod in at_once),
        memory=sum(pod.memory for pod in at_once),
        memory_limit=sum(map(_memory_limit, at_once)),
        storage=sum(pod.disk for pod in pods) + (agents.cache if ours else 0),
        pods=sum(pod.memory // POOLED_POD if pod.pool else 1 for pod in at_once),
        gpu=gpu_leases if ours else 0,
    )


def _surges(pod: Workload) -> bool:
    """Whether a rollout starts a second pod: no DaemonSet does, and nothing whose volume one pod holds at a time.

    One is enough: a Deployment's default is a quarter of its replicas, rounded up, and none here has more than four.
    """
    return not (pod.every_node or pod.disk or pod.pool)


def _memory_limit(pod: Workload) -> int:
    return pod.memory_limit or pod.memory


def _limits(pods: Sequence[Workload]) -> Limits:
    return Limits(
        default_cpu=min(FLOOR[0], *(pod.cpu for pod in pods)),
        default_memory=min(FLOOR[1], *(pod.memory for pod in pods)),
        max_memory=max(map(_memory_limit, pods)),
    )


def reserved_cpus(node: Node, reserved: Reserved, profile: Profile) -> tuple[int, ...]:
    """The cores that the system keeps: efficiency cores, where the node has them.

    With `pinned` all of them: the static policy gives away the rest, so builds get the performance cores. Else as many
    as are reserved, if that is a whole number and there are enough; without the static policy that only lowers what
    the scheduler sees: pods still run on every core.
    """
    efficiency = node.cpus("efficiency")
    if profile == "pinned":
        return efficiency
    wanted = reserved.system_cpu + reserved.kube_cpu
    return efficiency[: wanted // 1000] if wanted % 1000 == 0 and len(efficiency) * 1000 >= wanted else ()


def system_cpu(node: Node, reserved: Reserved, profile: Profile) -> int:
    """Millicores of the system: its cores, where they are numbered, less what Kubernetes has of them."""
    cpus = reserved_cpus(node, reserved, profile)
    return len(cpus) * 1000 - reserved.kube_cpu if cpus else reserved.system_cpu


def kubelet(node: Node, reserved: Reserved, profile: Profile, volumes: int) -> KubeletReservation:
    """The reservations of one node; `volumes`: bytes of its disk that belong to volumes."""
    return KubeletReservation(
        system_cpu=system_cpu(node, reserved, profile),
        system_memory=reserved.system_memory + reserved.inference_memory,
        system_disk=reserved.system_disk + volumes,
        kube_cpu=reserved.kube_cpu,
        kube_memory=reserved.kube_memory,
        eviction_memory=reserved.eviction_memory,
        eviction_disk_percent=reserved.eviction_disk_percent,
        reserved_cpus=cpu_list(reserved_cpus(node, reserved, profile)),
        static_cpus=profile == "pinned",
    )


def by_node(
    nodes: Sequence[Node], reserved: Reserved, profile: Profile, volumes: Mapping[str, int]
) -> dict[str, KubeletReservation]:
    """The reservations of all nodes by name."""
    return {node.name: kubelet(node, reserved, profile, volumes[node.name]) for node in nodes}
