"""Agents: what one gets in each profile, how many a node holds, how its disk is shared out.

Owns: the shape of an agent per profile, packing, scratch and cache sizes, warm agents.
Leaves to others: what is left for them (`proof`), who starts them (`components.scaled_job`, `components.job_template`).

Rounding: agents are whole; volumes are whole GiB, rounded down; nothing else is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from components.budget.ledger import Amount
from components.settings import Profile
from components.units import GI

MEMORY_PER_CORE: Final = 4 * GI
"""What hosted runners have (4 cores, 16 GiB), so what pipelines out there are known to fit: two rustc at 2 GiB."""

BURST: Final = 2
"""A lone build may take twice its request. No more: cargo starts a rustc per core that its cgroup allows, and the
agent's memory has room for two at 2 GiB per core requested."""

SCRATCH_LEAST: Final = 4 * GI
"""A checkout and a debug `target/` of a medium crate."""
SCRATCH_MOST: Final = 64 * GI
CACHE_LEAST: Final = 2 * GI
CACHE_MOST: Final = 64 * GI
"""Caches are pruned at 50 GB (AGENT-5); the rest is room to write while that runs."""
_CACHE_SHARE: Final = 4
_WARM_SHARE: Final = 4


@dataclass(frozen=True)
class Shape:
    """What a profile gives to one agent."""

    cpu: int
    warm: bool = False
    """Some agents wait for work: a start (1.8 s at p50, image present) for the price of an idle request."""
    exclusive: bool = False
    """Whole cores of its own: requests equal limits and are whole, which is what the static CPU policy asks for."""

    @property
    def memory(self) -> int:
        """Bytes per agent; limit and request are one."""
        return self.cpu * MEMORY_PER_CORE // 1000

    @property
    def cpu_limit(self) -> int:
        """Millicores."""
        return self.cpu if self.exclusive else self.cpu * BURST


SHAPES: Final[Mapping[Profile, Shape]] = {
    "conservative": Shape(2000),
    "balanced": Shape(1000),
    "aggressive": Shape(1000, warm=True),
    "pinned": Shape(1000, exclusive=True),
}


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
    """The shared cache volume; there is room for one on each node that holds agents."""
    warm: int
    """`minReplicaCount`; KEDA adds it on top of what it scales."""
    maximum: int
    """`maxReplicaCount`; with `warm` on top it still fits."""

    @property
    def total(self) -> int:
        """How many run at once at most."""
        return self.maximum + self.warm


def least(shape: Shape) -> Amount:
    """What a node must have left for its first agent."""
    return Amount(shape.cpu, shape.memory, CACHE_LEAST + SCRATCH_LEAST)


def fitting(shape: Shape, left: Amount) -> int:
    """How many agents what is left of a node holds."""
    disk = (left.disk - CACHE_LEAST) // SCRATCH_LEAST
    return max(0, min(left.cpu // shape.cpu, left.memory // shape.memory, disk))


def agents(shape: Shape, nodes: Iterable[tuple[int, Amount]]) -> Agents:
    """All agents of the pool. `nodes`: how many each node holds, and what it has left for them; at least one in all.

    One template serves all nodes, so the node with the least disk per agent decides on scratch and cache.
    """
    holding = [(count, left.disk) for count, left in nodes if count]
    count = sum(number for number, _ in holding)
    cache = min(_cache(number, disk) for number, disk in holding)
    scratch = min(min(SCRATCH_MOST, (disk - cache) // number // GI * GI) for number, disk in holding)
    warm = min(max(1, count // _WARM_SHARE), count - 1) if shape.warm else 0
    return Agents(
        cpu=shape.cpu,
        memory=shape.memory,
        cpu_limit=shape.cpu_limit,
        memory_limit=shape.memory,
        scratch=scratch,
        cache=cache,
        warm=warm,
        maximum=count - warm,
    )


def _cache(count: int, disk: int) -> int:
    """A quarter of the disk, as far as every agent keeps the least scratch."""
    room = min(disk // _CACHE_SHARE, disk - count * SCRATCH_LEAST, CACHE_MOST)
    return max(CACHE_LEAST, room // GI * GI)
