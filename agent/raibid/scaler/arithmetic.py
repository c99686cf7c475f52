"""KEDA's arithmetic for a ScaledJob, as pure functions: a metric and counts in, Jobs to create out.

Owns: every strategy of KEDA 2.20/2.21, the replica bounds and the activation threshold.
Leaves to others: where the metric comes from (`raibid.ledger`, `simulate.py`), starting anything (`local.py`).

Sources: KEDA v2.20 pkg/scaling/executor/scale_jobs.go (strategies, `getScalingDecision`, `createJobs`),
apis/keda/v1alpha1/scaledjob_types.go (`MinReplicaCount`, `MaxReplicaCount`), pkg/scalers/scalersconfig and
redis_streams_scaler.go (`value > activation`). The vectors of scale_jobs_test.go are in tests/scaler.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

KEDA_DEFAULT_MAX: Final = 100
"""maxReplicaCount of a ScaledJob that names none."""


class Strategy(StrEnum):
    """`scalingStrategy.strategy`; KEDA reads anything else as default."""

    DEFAULT = "default"
    CUSTOM = "custom"
    ACCURATE = "accurate"
    EAGER = "eager"


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The numbers of a ScaledJob that decide how many Jobs a poll creates."""

    max_replicas: int | None = None  #: None: not in the manifest
    min_replicas: int = 0
    target: int = 1  #: streamLength
    activation: int = 0  #: activationLagCount
    strategy: Strategy = Strategy.DEFAULT
    deduction: int = 0  #: customScalingQueueLengthDeduction
    running_percentage: float | None = None  #: customScalingRunningJobPercentage; None: custom falls back to default
    accurate_sees_pending: bool = True  #: False before 2.19 (#7329): overshoot near max with slow pods

    @property
    def floor(self) -> int:
        """What KEDA takes for minReplicaCount: never more than a given maxReplicaCount."""
        return self.min_replicas if self.max_replicas is None else min(self.min_replicas, self.max_replicas)

    @property
    def ceiling(self) -> int:
        """What KEDA takes for maxReplicaCount in its arithmetic: the room above the floor.

        Two surprises of `MaxReplicaCount()`: without a maxReplicaCount it is 100 and the floor comes on top, and
        with a minReplicaCount above it nothing is subtracted, so that up to twice max agents live.
        """
        if self.max_replicas is None:
            return KEDA_DEFAULT_MAX
        if self.min_replicas > self.max_replicas:
            return self.max_replicas
        return self.max_replicas - self.min_replicas

    @property
    def most(self) -> int:
        """The most agents that the default strategy ever has alive."""
        return self.floor + self.ceiling


def max_scale(metric: int, target: int, max_replicas: int) -> int:
    """Agents that the metric asks for: `min(ceil(metric / target), max)`; 0 when the target is 0."""
    return min(-(-metric // target), max_replicas) if target else 0


def default_strategy(wanted: int, running: int) -> int:
    """`maxScale - running`. Exact when the metric counts unfinished jobs, in flight ones included."""
    return wanted - running


def accurate_strategy(wanted: int, running: int, pending: int, max_replicas: int, *, sees_pending: bool = True) -> int:
    """`maxScale - pending`, or `max - running` near max. For metrics that exclude jobs in flight.

    `sees_pending=False` is KEDA before 2.19 (#7329, fixed by #7417).
    """
    if wanted + running - (pending if sees_pending else 0) > max_replicas:
        return max_replicas - running
    return wanted - pending


def eager_strategy(wanted: int, running: int, pending: int, max_replicas: int) -> int:
    """`min(max - running - pending, maxScale)`. Pending Jobs are among the running ones: they count twice."""
    return min(max_replicas - running - pending, wanted)


def custom_strategy(wanted: int, running: int, max_replicas: int, deduction: int, percentage: float) -> int:
    """`min(maxScale - deduction - int(running * percentage), max)`. Not capped by max - running: it can exceed max."""
    return min(wanted - deduction - int(running * percentage), max_replicas)


def _effective(scaling: Scaling, wanted: int, running: int, pending: int) -> int:
    match scaling.strategy:
        case Strategy.ACCURATE:
            return accurate_strategy(
                wanted, running, pending, scaling.ceiling, sees_pending=scaling.accurate_sees_pending
            )
        case Strategy.EAGER:
            return eager_strategy(wanted, running, pending, scaling.ceiling)
        case Strategy.CUSTOM if scaling.running_percentage is not None:
            return custom_strategy(wanted, running, scaling.ceiling, scaling.deduction, scaling.running_percentage)
        case _:
            return default_strategy(wanted, running)


def jobs_to_create(scaling: Scaling, *, metric: int, running: int, pending: int = 0) -> int:
    """How many Jobs KEDA creates at one poll.

    `metric` is the trigger's value (-1: Redis does not know its lag), `running` the Jobs that are neither Complete
    nor Failed, `pending` those of them whose pod does not run yet.

    Below the floor a poll only fills it up; the queue is looked at from the next poll on.
    """
    if running < scaling.floor:
        return scaling.floor - running
    if metric <= scaling.activation:
        return 0
    wanted = max_scale(metric, scaling.target, scaling.ceiling)
    effective = _effective(scaling, wanted, running - scaling.floor, pending)
    # KEDA never creates more than the queue is long, except in eager, which raises that bound to max.
    bound = scaling.ceiling if scaling.strategy is Strategy.EAGER else metric
    return max(0, min(effective, bound))
