"""How many, how soon, and what an edit does to running builds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean
from typing import Final

from raibid.contract import POLL_SECONDS
from raibid.scaler.arithmetic import KEDA_DEFAULT_MAX
from raibid.scaler.arrivals import steady
from raibid.scaler.rules.finding import Finding, Rule, Subject, error, info, warning
from raibid.scaler.simulate import Setup, simulate

_STRATEGY: Final = "spec.scalingStrategy.strategy"
_REFUSES_DEFAULT: Final = ((2, 20, 0), (2, 20, 1))
_STARTS: Final = 20
_KNOWN: Final = ("default", "accurate", "eager", "custom")
_DOUBLE: Final = {
    "accurate": "streamLength counts jobs in flight and accurate expects a metric without them: 500 Jobs for 110 jobs",
    "eager": "eager adds agents for jobs in flight once more: 500 Jobs for 110 jobs",
    "custom": "custom subtracts only a share of what runs and is not capped by max: 20 agents alive at a max of 10",
}
"""Measured at max 10, poll 10 s, one job every 15 s (spec/queue.md 1.3, rows N, O, P)."""


def strategy(subject: Subject) -> Iterator[Finding]:
    """strategy-accurate, -eager, -custom, -unknown, -default-refused: only an absent strategy is right."""
    given = subject.scaled_job.spec.scaling_strategy.strategy
    remedy = "remove scalingStrategy: the default is exact with streamLength"
    if given in _DOUBLE:
        yield error(f"strategy-{given}", _STRATEGY, _DOUBLE[given], remedy)
    elif given == "default" and subject.keda_version in _REFUSES_DEFAULT:
        yield error(
            "strategy-default-refused", _STRATEGY,
            "the CRD of KEDA 2.20.0 and 2.20.1 refuses the word `default` (#7855): the object is not accepted", remedy,
        )  # fmt: skip
    elif given == "default":
        yield info(
            "strategy-default-refused", _STRATEGY,
            "means the same as no strategy, but KEDA 2.20.0 and 2.20.1 refuse the word (#7855)", remedy,
        )  # fmt: skip
    elif given and given not in _KNOWN:
        yield error(
            "strategy-unknown", _STRATEGY,
            f"KEDA since 2.20 refuses {given!r}; older ones silently use the default", remedy,
        )  # fmt: skip


def rollout(subject: Subject) -> Iterator[Finding]:
    """rollout-kills-builds: the default replaces Jobs on every edit."""
    spec = subject.scaled_job.spec
    if (spec.rollout.strategy or spec.rollout_strategy) != "gradual":
        yield error(
            "rollout-kills-builds", "spec.rollout.strategy",
            "the default deletes every Job of an older generation at each edit of the spec, running builds included",
            "rollout: {strategy: gradual}",
        )  # fmt: skip


def poll(subject: Subject) -> Iterator[Finding]:
    """poll-too-slow, poll-below-minimum: how long a job waits for its agent."""
    seconds = subject.scaled_job.poll
    path = "spec.pollingInterval"
    if seconds < 1:
        yield error(
            "poll-below-minimum", path, f"KEDA's CRD (since 2.20) refuses {seconds}: the least is 1 s",
            f"pollingInterval: {POLL_SECONDS:g}",
        )  # fmt: skip
    elif seconds > POLL_SECONDS:
        now, better = predicted_wait(seconds), predicted_wait(POLL_SECONDS)
        said = "" if subject.scaled_job.spec.polling_interval is not None else " (KEDA's default, none is given)"
        yield warning(
            "poll-too-slow", path,
            f"{seconds} s{said}: a job waits about {now:.0f} s for its agent at p95, against {better:.0f} s at "
            f"{POLL_SECONDS:g} s (simulated: a job every 15 s, 60 s builds, 2 s pods)",
            f"pollingInterval: {POLL_SECONDS:g}",
        )  # fmt: skip


def predicted_wait(seconds: float) -> float:
    """p95 of queue → claim at this poll, for the load of spec/queue.md 1.3: a job every 15 s, 60 s builds, max 10.

    Polls and arrivals may fall into step, so it is the mean over several starts of the poll.
    """
    setup = Setup(max_replicas=10, poll=seconds, pod_start=2.0)
    return fmean(simulate(steady(110, 15.0), replace(setup, seed=seed)).wait_p95 for seed in range(_STARTS))


def maximum(subject: Subject) -> Iterator[Finding]:
    """max-missing, max-over-capacity: what fits on the machine."""
    job, capacity = subject.scaled_job, subject.capacity
    most = job.scaling(subject.keda_version).most
    if job.spec.max_replica_count is None:
        yield warning(
            "max-missing", "spec.maxReplicaCount",
            f"the default is {KEDA_DEFAULT_MAX} agents, and minReplicaCount comes on top",
            f"maxReplicaCount: {capacity if capacity is not None else '<agents that fit on the machine>'}, "
            "and the same number as the ledger's window",
        )  # fmt: skip
    if capacity is not None and most > capacity:
        yield error(
            "max-over-capacity", "spec.maxReplicaCount",
            f"up to {most} agents, and the machine has room for {capacity}: the rest stay Pending, hold the jobs' "
            "places and use up a Job-level deadline",
            f"maxReplicaCount: {capacity}, and the same number as the ledger's window",
        )  # fmt: skip


def minimum(subject: Subject) -> Iterator[Finding]:
    """min-above-max, min-on-top: what warm agents do to the arithmetic."""
    spec = subject.scaled_job.spec
    low, high = spec.min_replica_count or 0, spec.max_replica_count
    if high is not None and low > high:
        yield error(
            "min-above-max", "spec.minReplicaCount",
            f"KEDA takes {high} for both and no longer subtracts one from the other: up to {2 * high} agents",
            "minReplicaCount: 0, or 1 for a warm agent",
        )  # fmt: skip
    elif low > 0:
        room = KEDA_DEFAULT_MAX if high is None else high - low
        yield info(
            "min-on-top", "spec.minReplicaCount",
            f"{low} agents wait idle and each job gets one more: at most {room} jobs' agents beside them"
            + ("" if room else ", so none: only the idle ones ever work"),
            "nothing, if a warm agent is wanted (the next job then starts in 0.3 s at p50)",
        )  # fmt: skip


def cooldown(subject: Subject) -> Iterator[Finding]:
    """cooldown-period: not a field of a ScaledJob."""
    if subject.scaled_job.spec.cooldown_period is not None:
        yield warning(
            "cooldown-period", "spec.cooldownPeriod",
            "a field of ScaledObject: here it is dropped, or refused under strict validation; agents end by themselves",
            "remove it",
        )  # fmt: skip


RULES: tuple[Rule, ...] = (strategy, rollout, poll, maximum, minimum, cooldown)
