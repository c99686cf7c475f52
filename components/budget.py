"""What the machine has, who takes how much of it, and what is left for agents: proved before anything is deployed.

Owns: the footprint of a system, the ledger of CPU, memory and disk per node, how many agents fit, the quotas.
Leaves to others: each system's own numbers (its `footprint`), drawing (`budget_view`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One pod template's requests and limits, per replica (millicores, bytes)."""

    name: str
    namespace: str
    cpu: int
    memory: int
    cpu_limit: int = 0
    """0: no CPU limit, so that an idle machine is never throttled."""
    memory_limit: int = 0
    """0: the same as `memory`: what is requested is what there is."""
    disk: int = 0
    replicas: int = 1
    every_node: bool = False
    """A DaemonSet: one replica on each node."""


@dataclass(frozen=True)
class Footprint:
    """What one system asks of the machine."""

    system: str
    workloads: tuple[Workload, ...]

    def of(self, name: str) -> Workload:
        """The workload of that name."""
        return next(workload for workload in self.workloads if workload.name == name)


@dataclass(frozen=True, kw_only=True)
class Agents:
    """What one agent gets and how many of them there are (millicores, bytes)."""

    cpu: int
    memory: int
    cpu_limit: int
    memory_limit: int
    scratch: int
    """Ephemeral storage of one agent: its checkout and target directory."""
    cache: int
    """The shared cache volume."""
    warm: int
    """`minReplicaCount`; KEDA adds it on top of what it scales."""
    maximum: int
    """`maxReplicaCount`; with `warm` on top it still fits."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A namespace's ResourceQuota."""

    cpu: int
    memory: int
    cpu_limit: int
    memory_limit: int
    storage: int
    pods: int


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The proved budget of a stack."""

    agents: Agents
    quotas: dict[str, Quota]
    """By namespace."""


def budget(settings: Settings, footprints: Iterable[Footprint]) -> Budget:
    """The ledger of all nodes and what it leaves for agents."""
    raise NotImplementedError
