"""Which parts of the cluster die, in which order, under which condition: the plan of a run. Pure.

Owns: the faults, the seeded plan.
Leaves to others: doing them (`run.py`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """What can die; each is started again at once."""

    KUBE_APISERVER = "kube-apiserver killed"
    SCALER = "keda killed"
    KUBELET = "kubelet killed"
    CONTAINERD = "containerd killed"
    API = "raibid-api killed"
    CONTROLLER = "raibid-controller killed"
    POWER_LOSS = "redis lost its power"
    AGENT = "agent's pod killed"


_FEWEST: Final = 5
"""Agents that run when what carries them dies."""
FEWEST_JOBS: Final = 40
"""Of a run: with fewer there is not something of its own for every fault to strike."""
_QUIET: Final = (0.08, 0.8)
"""Share of the jobs that have ended at the first and at the last fault: neither an empty start nor an empty end."""


@dataclass(frozen=True)
class Strike:
    """A fault, once so many jobs have ended and so many agents run."""

    fault: Fault
    after: int
    running: int
    delivered: int
    """So many jobs may be enqueued before it is done: however fast they end, each later fault has its own to come."""


def plan(jobs: int, seed: int) -> tuple[Strike, ...]:
    """Each fault once per hundred jobs, at least once, in an order that the seed gives, spread over the run."""
    rng = random.Random(seed)
    faults = [fault for fault in Fault for _ in range(max(1, jobs // 100))]
    rng.shuffle(faults)
    first, last = (share * jobs for share in _QUIET)
    step = (last - first) / max(1, len(faults) - 1)
    strikes = []
    for number, fault in enumerate(faults):
        delivered = jobs - sum(_kept(later) for later in faults[number + 1 :])
        after = min(round(first + number * step), delivered - _kept(fault))
        strikes.append(Strike(fault, after, _needs(fault), delivered))
    return tuple(strikes)


def _needs(fault: Fault) -> int:
    return _FEWEST if fault in (Fault.KUBELET, Fault.CONTAINERD) else 1


def _kept(fault: Fault) -> int:
    """Jobs that are kept back for a fault: twice the agents that it wants to see at once."""
    return 2 * _needs(fault)
