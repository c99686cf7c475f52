"""The proof: capacity − reserved − eviction − inference − infrastructure = agents, per node, to the last byte.

Owns: the order of the ledger's lines, the refusal of a stack that does not fit, with its ledger and a way out.
Leaves to others: an agent's shape (`agents`), what is made of the result (`shares`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic.alias_generators import to_camel

from components.budget.agents import SHAPES, Agents, Shape, agents, fitting, least
from components.budget.footprint import Footprint
from components.budget.ledger import Amount, Ledger, Line, Resource, cells, table, total
from components.budget.shares import KubeletReservation, Limits, Quota, by_node, quotas, system_cpu
from components.settings import Node, Profile, Settings, Systems

_SWITCHES: Final = tuple(to_camel(name) for name in Systems.model_fields)
_CURES: Final = {
    "system": "reserve less (reserved.systemCpu, systemMemory, systemDisk)",
    "kubernetes": "reserve less (reserved.kubeCpu, kubeMemory)",
    "eviction": "evict later (reserved.evictionMemory, evictionDiskPercent)",
    "inference": "leave less for models (reserved.inferenceMemory)",
    "apps": "leave less for developers (apps.cpu, apps.memory, apps.disk)",
    "keda": "start agents without it (scaler: direct), reserve less",
    "gitea": "reserve less, give it a smaller volume (gitea.disk, gitea.databaseDisk)",
}
_UNITS: Final[dict[Resource, str]] = {"cpu": "cores", "memory": "GiB of memory", "disk": "GiB of disk"}


class BudgetError(Exception):
    """The stack does not fit its nodes. The message holds the ledger and marks the line that breaks it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The proved budget of a stack."""

    agents: Agents
    quotas: dict[str, Quota]
    """By namespace."""
    limits: dict[str, Limits]
    """By namespace."""
    ledgers: tuple[Ledger, ...]
    """One per node, in the order of `nodes`; the lines of each sum up to its capacity."""
    kubelet: dict[str, KubeletReservation]
    """By node."""
    gpu_leases: int
    """Jobs that may hold a GPU at once, over all nodes; 0 where there is none."""
    profile: Profile


def budget(settings: Settings, footprints: Iterable[Footprint]) -> Budget:
    """The ledger of all nodes and what it leaves for agents.

    Raises:
        BudgetError: the systems, or one agent beside them, do not fit.
    """
    systems = tuple(footprints)
    shape = SHAPES[settings.profile]
    open_ledgers = [_open(settings, node, systems, first=index == 0) for index, node in enumerate(settings.nodes)]
    for ledger in open_ledgers:
        if breaking := ledger.breaking():
            raise _refusal(ledger, *breaking)
    counts = [fitting(shape, ledger.left) for ledger in open_ledgers]
    if not any(counts):
        raise _no_agent(settings, open_ledgers, shape)
    pool = agents(shape, [(count, ledger.left) for count, ledger in zip(counts, open_ledgers, strict=True)])
    ledgers = tuple(_closed(ledger, count, pool) for count, ledger in zip(counts, open_ledgers, strict=True))
    gpu_leases = sum(node.gpu.replicas for node in settings.nodes if node.gpu)
    by_namespace, limits = quotas(systems, len(settings.nodes), pool, gpu_leases)
    volumes = {ledger.node: _volumes(ledger) for ledger in ledgers}
    return Budget(
        agents=pool,
        quotas=by_namespace,
        limits=limits,
        ledgers=ledgers,
        kubelet=by_node(settings.nodes, settings.reserved, settings.profile, volumes),
        gpu_leases=gpu_leases,
        profile=settings.profile,
    )


def _open(settings: Settings, node: Node, systems: Sequence[Footprint], *, first: bool) -> Ledger:
    """A node's ledger before agents: what is reserved, then each system that is on it."""
    reserved = settings.reserved
    # Rounded up: the kubelet evicts below the percentage, so the byte that would touch it belongs to nobody.
    eviction_disk = -(-node.disk * reserved.eviction_disk_percent // 100)
    lines = [
        Line(
            "system",
            "reserved",
            Amount(system_cpu(node, reserved, settings.profile), reserved.system_memory, reserved.system_disk),
        ),
        Line("kubernetes", "reserved", Amount(reserved.kube_cpu, reserved.kube_memory)),
        Line("eviction", "reserved", Amount(0, reserved.eviction_memory, eviction_disk)),
        Line("inference", "reserved", Amount(0, reserved.inference_memory)),
    ]
    lines += [Line(each.system, "system", _on_node(each, first=first)) for each in systems]
    return Ledger(
        node.name, Amount(node.cpu, node.memory, node.disk), tuple(line for line in lines if line.amount != Amount())
    )


def _on_node(system: Footprint, *, first: bool) -> Amount:
    return total(
        Amount(workload.cpu, workload.memory, workload.disk) * workload.replicas_on(first=first)
        for workload in system.workloads
    )


def _closed(ledger: Ledger, count: int, pool: Agents) -> Ledger:
    if count:
        ledger = ledger.add(
            Line("agents", "agents", Amount(pool.cpu, pool.memory, pool.scratch) * count),
            Line("cache", "agents", Amount(disk=pool.cache)),
        )
    return ledger.closed(count)


def _volumes(ledger: Ledger) -> int:
    """Bytes of volumes on a node: the systems' and the agents' cache."""
    return sum(line.amount.disk for line in ledger.lines if line.kind == "system" or line.name == "cache")


def _refusal(ledger: Ledger, index: int, short: Sequence[Resource]) -> BudgetError:
    line = ledger.lines[index]
    missing = _missing(total(each.amount for each in ledger.lines[: index + 1]) - ledger.capacity, short)
    return BudgetError(
        f"node {ledger.node}: {line.name} does not fit, {missing} too much\n\n"
        f"{table(ledger, marked=index, remark=missing)}",
        f"{_cure(line)}, or take a larger node",
    )


def _cure(line: Line) -> str:
    """What would make room for a line."""
    switch = to_camel(line.name.replace("-", "_"))
    if switch in _SWITCHES:
        return f"set systems.{switch}: false, reserve less"
    return _CURES.get(line.name, f"reserve less, leave optional systems out (systems: {', '.join(_SWITCHES)})")


def _no_agent(settings: Settings, ledgers: Sequence[Ledger], shape: Shape) -> BudgetError:
    """No node holds an agent: shown on the one that comes nearest to it."""
    roomiest = max(ledgers, key=lambda ledger: (ledger.left.cpu, ledger.left.memory))
    agent = Line("one agent", "agents", least(shape))
    ledger = roomiest.add(agent)
    missing = _missing(Amount() - ledger.left, ledger.left.short())
    others = [
        name
        for name, other in SHAPES.items()
        if not other.exclusive and other != shape and any(fitting(other, ledger.left) for ledger in ledgers)
    ]
    cure = f"choose profile {' or '.join(others)}, " if others else ""
    return BudgetError(
        f"node {ledger.node}: no agent of profile {settings.profile} fits, {missing} too much\n\n"
        f"{table(ledger, marked=len(ledger.lines) - 1, remark=missing)}",
        f"{cure}reserve less, leave optional systems out (systems: {', '.join(_SWITCHES)}), or take a larger node",
    )


def _missing(over: Amount, short: Sequence[Resource]) -> str:
    values = dict(zip(("cpu", "memory", "disk"), cells(over), strict=True))
    text = ", ".join(f"{values[resource]} {_UNITS[resource]}" for resource in short)
    return re.sub(r"^1 cores", "1 core", text)
