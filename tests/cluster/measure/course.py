"""How well agents followed the work, from times alone: what really happened, and what the simulator says of the same.

Owns: a burst's course as numbers, over- and undershoot of it, the simulator's setup with the delays that were measured.
Leaves to others: taking the times (`measure.py`), the simulation (`raibid.scaler.simulate`).

The same quantity as the simulator's: agents alive above and below `min(max, jobs not finished)`, summed over moments,
in percent of the agents wanted.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from raibid.scaler.simulate import Setup, Simulation, simulate

_SEEDS: Final = 20
_STEP: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent of a burst. Unix seconds."""

    made: float
    """Its Job was there."""
    claimed: float
    ended: float
    """It had told the ledger how its job ended."""
    complete: float
    """Its Job was complete."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """A burst: jobs that came at once, and every agent that was made for them."""

    arrived: float
    jobs: int
    most: int
    agents: tuple[Agent, ...]
    made: int
    """Kubernetes Jobs; more than `agents` if some never had a job, or did not keep it."""
    peak: int
    """Most Jobs that were not complete at once."""
    starts: int
    """Claims; more than `jobs` if an agent was lost."""

    @property
    def waits(self) -> list[float]:
        """Queue → claim, in seconds."""
        return sorted(agent.claimed - self.arrived for agent in self.agents)

    @property
    def moments(self) -> list[float]:
        """Evenly, from the arrival to the last end."""
        end = max(agent.ended for agent in self.agents)
        return [self.arrived + _STEP * n for n in range(int((end - self.arrived) / _STEP) + 1)]

    def accuracy(self, moments: Iterable[float]) -> tuple[float, float]:
        """Over- and undershoot at these moments, in percent."""
        over = under = all_wanted = 0
        for moment in moments:
            done = sum(agent.ended <= moment for agent in self.agents)
            alive = sum(agent.made <= moment for agent in self.agents) - done
            wanted = min(self.most, self.jobs - done) if moment >= self.arrived else 0
            over += max(0, alive - wanted)
            under += max(0, wanted - alive)
            all_wanted += wanted
        return 100 * over / (all_wanted or 1), 100 * under / (all_wanted or 1)

    @property
    def setup(self) -> Setup:
        """The simulator's, with this course's own medians in the place of its assumptions."""
        agents = self.agents
        build = [agent.ended - agent.claimed for agent in agents]
        middle = statistics.median(build)
        return Setup(
            max_replicas=self.most,
            build=middle,
            jitter=min(1.0, max(abs(seconds - middle) for seconds in build) / middle),
            pod_start=statistics.median(agent.claimed - agent.made for agent in agents),
            completion_lag=statistics.median(agent.complete - agent.ended for agent in agents),
            claim_poll=_STEP,
        )


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The simulator's answer for a course's arrivals: means over phases of the poll."""

    made: float
    peak: int
    wait_p50: float
    wait_p95: float
    overshoot: float
    undershoot: float


def predicted(course: Course) -> Prediction:
    """What the simulator says of the same arrivals."""
    plain = course.setup
    played: Sequence[Simulation] = [
        simulate((0.0,) * course.jobs, Setup(**{**vars(plain), "seed": seed})) for seed in range(_SEEDS)
    ]
    return Prediction(
        made=statistics.mean(one.agents for one in played),
        peak=max(one.peak for one in played),
        wait_p50=statistics.mean(one.wait_p50 for one in played),
        wait_p95=statistics.mean(one.wait_p95 for one in played),
        overshoot=statistics.mean(one.overshoot for one in played),
        undershoot=statistics.mean(one.undershoot for one in played),
    )
