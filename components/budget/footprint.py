"""What one system asks of the machine.

Owns: requests and limits of a pod template (`Workload`), a system's sum of them on a node (`Footprint`).
Leaves to others: each system's own numbers (its `footprint`), whether they fit (`components.budget.proof`).
"""

from __future__ import annotations

from dataclasses import dataclass


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
    """Its volume, for good; not what it writes into its container."""
    replicas: int = 1
    every_node: bool = False
    """A DaemonSet: one replica on each node."""
    pool: bool = False
    """No pod, but room that others fill with theirs: as many as they like, so long as all together fit."""

    def replicas_on(self, *, first: bool) -> int:
        """How many replicas the first node, or another one, must be able to hold.

        All that is no DaemonSet is put on the first node: volumes of local-path stay where they were made, and a
        pool must come up when only its server is there.
        """
        return 1 if self.every_node else self.replicas if first else 0


@dataclass(frozen=True)
class Footprint:
    """What one system asks of the machine."""

    system: str
    workloads: tuple[Workload, ...]

    def of(self, name: str) -> Workload:
        """The workload of that name."""
        return next(workload for workload in self.workloads if workload.name == name)
