"""The simulator: KEDA's arithmetic against an arrival pattern, in virtual time.

Owns: the course of jobs, agents and polls, and what it measures. Pure: the same setup and seed, the same result.
Leaves to others: the arithmetic (`arithmetic.py`), patterns (`arrivals.py`), tables (`render.py`).

Times in seconds. An agent takes one job and ends; it asks for one every `claim_poll`, for `patience` at most; it
prefers a job whose lease has expired to a new one, as the ledger's claim does.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import partial
from itertools import count

from raibid.contract import LEASE_SECONDS, POLL_SECONDS
from raibid.scaler.arithmetic import Scaling, Strategy, jobs_to_create
from raibid.scaler.arrivals import Arrivals


class Metric(StrEnum):
    """What the trigger reads."""

    STREAM_LENGTH = "streamLength"  #: XLEN: with XACK+XDEL at the end, jobs not finished
    PENDING_ENTRIES = "pendingEntriesCount"  #: delivered, not acknowledged
    LAG = "lagCount"  #: never delivered; the simulator's Redis always knows it, a real one does not


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A scaler, its agents and their builds. The defaults are the pool's; rows of spec/queue.md 1.3 differ in a few."""

    max_replicas: int = 10
    min_replicas: int = 0
    poll: float = POLL_SECONDS
    target: int = 1
    activation: int = 0
    strategy: Strategy = Strategy.DEFAULT
    deduction: int = 0
    running_percentage: float | None = None
    metric: Metric = Metric.STREAM_LENGTH
    deletes: bool = True  #: finish is XACK+XDEL; False: XACK only, and XLEN never falls
    build: float = 60.0
    jitter: float = 0.2  #: builds last build x (1 ± jitter)
    pod_start: float = 2.0
    completion_lag: float = 1.5  #: from an agent's exit to its Job being Complete
    crash: float = 0.0  #: probability that an agent dies in a build
    lease: float = LEASE_SECONDS
    claim_poll: float = 0.5
    patience: float = LEASE_SECONDS + 15.0
    horizon: float = 3600.0  #: give up this long after the last arrival
    seed: int = 0

    @property
    def scaling(self) -> Scaling:
        """For the arithmetic."""
        return Scaling(
            max_replicas=self.max_replicas,
            min_replicas=self.min_replicas,
            target=self.target,
            activation=self.activation,
            strategy=self.strategy,
            deduction=self.deduction,
            running_percentage=self.running_percentage,
        )


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What came of it. Waits are queue → first claim of the jobs that were claimed; NaN when none was."""

    jobs: int
    done: int
    agents: int  #: made
    wasted: int  #: ended without ever having a job
    crashed: int
    peak: int  #: most agents alive at once
    wait_p50: float
    wait_p95: float
    wait_max: float
    overshoot: float  #: %: sum over polls of agents alive above min(max, jobs not finished + min), per agent wanted
    undershoot: float  #: %: the same, below
    seconds: float  #: from the first arrival to the end


class _Phase(Enum):
    PENDING = auto()  # its pod starts
    IDLE = auto()
    BUSY = auto()
    EXITED = auto()  # gone, but its Job is not Complete yet
    COMPLETE = auto()


@dataclass
class _Job:
    arrived: float
    claimed: float | None = None
    expires: float | None = None  # set when its agent died: the end of the lease
    done: bool = False


@dataclass
class _Agent:
    phase: _Phase = _Phase.PENDING
    until: float = 0.0
    worked: bool = False


@dataclass
class _World:
    setup: Setup
    random: random.Random
    events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=count)  # equal times in the order they were planned
    jobs: list[_Job] = field(default_factory=list)
    fresh: deque[_Job] = field(default_factory=deque)  # in the stream, never delivered
    orphans: list[_Job] = field(default_factory=list)  # delivered to an agent that died
    agents: list[_Agent] = field(default_factory=list)  # whose Job is not Complete
    expected: int = 0
    unfinished: int = 0
    delivered: int = 0  # of those
    made: int = 0
    wasted: int = 0
    crashed: int = 0
    peak: int = 0
    over: int = 0
    under: int = 0
    wanted: int = 0

    def at(self, time: float, what: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (time, next(self.order), what))

    # --- what happens ----------------------------------------------------------------------------------

    def arrive(self, now: float) -> None:
        job = _Job(now)
        self.jobs.append(job)
        self.fresh.append(job)
        self.unfinished += 1

    def tick(self, now: float) -> None:
        running = len(self.agents)
        pending = sum(a.phase is _Phase.PENDING for a in self.agents)
        new = jobs_to_create(self.setup.scaling, metric=self.value(), running=running, pending=pending)
        for _ in range(new):
            agent = _Agent()
            self.agents.append(agent)
            self.at(now + self.setup.pod_start, partial(self.started, agent=agent))
        self.made += new
        self.measure()
        if not (self.settled and self.value() <= self.setup.activation):
            self.at(now + self.setup.poll, self.tick)

    def started(self, now: float, agent: _Agent) -> None:
        agent.phase = _Phase.IDLE
        agent.until = now + self.setup.patience
        self.seek(now, agent)

    def seek(self, now: float, agent: _Agent) -> None:
        job = self.next_job(now)
        if job is not None:
            self.work(now, agent, job)
        elif now >= agent.until:
            self.exit(now, agent)
        else:
            self.at(now + self.setup.claim_poll, partial(self.seek, agent=agent))

    def work(self, now: float, agent: _Agent, job: _Job) -> None:
        agent.phase, agent.worked = _Phase.BUSY, True
        job.claimed = now if job.claimed is None else job.claimed
        setup = self.setup
        seconds = setup.build * (1 + setup.jitter * self.random.uniform(-1, 1))
        if self.random.random() < setup.crash:
            self.at(now + seconds * self.random.random(), partial(self.die, agent=agent, job=job))
        else:
            self.at(now + seconds, partial(self.finish, agent=agent, job=job))

    def finish(self, now: float, agent: _Agent, job: _Job) -> None:
        job.done = True
        self.unfinished -= 1
        self.delivered -= 1
        self.exit(now, agent)

    def die(self, now: float, agent: _Agent, job: _Job) -> None:
        self.crashed += 1
        job.expires = now + self.setup.lease
        self.orphans.append(job)
        self.exit(now, agent)

    def exit(self, now: float, agent: _Agent) -> None:
        agent.phase = _Phase.EXITED
        self.wasted += not agent.worked
        self.at(now + self.setup.completion_lag, lambda _: self.agents.remove(agent))

    # --- what is read ----------------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Every job has come and is done. A wrong metric may go on asking for agents."""
        return len(self.jobs) == self.expected and self.unfinished == 0

    def value(self) -> int:
        """The trigger's value."""
        match self.setup.metric:
            case Metric.PENDING_ENTRIES:
                return self.delivered
            case Metric.LAG:
                return len(self.fresh)
            case _:
                return self.unfinished if self.setup.deletes else len(self.jobs)

    def next_job(self, now: float) -> _Job | None:
        for job in self.orphans:
            if job.expires is not None and job.expires <= now:
                self.orphans.remove(job)
                return job
        if self.fresh:
            self.delivered += 1
            return self.fresh.popleft()
        return None

    def measure(self) -> None:
        """Just after a poll: agents alive against agents wanted."""
        alive = sum(a.phase is not _Phase.EXITED for a in self.agents)
        wanted = min(self.setup.max_replicas, self.unfinished + self.setup.min_replicas)
        self.peak = max(self.peak, alive)
        self.over += max(0, alive - wanted)
        self.under += max(0, wanted - alive)
        self.wanted += wanted


def simulate(arrivals: Arrivals, setup: Setup) -> Simulation:
    """Play the pattern until all is done and every agent has ended, or the horizon after the last arrival."""
    world = _World(setup, random.Random(setup.seed), expected=len(arrivals))  # noqa: S311 repeatable by intent
    for time in sorted(arrivals):
        world.at(time, world.arrive)
    # KEDA's polls know nothing of the arrivals: the first one comes anywhere within the interval.
    world.at(world.random.uniform(0, setup.poll), world.tick)
    end = max(arrivals, default=0.0) + setup.horizon
    now = 0.0
    while world.events and world.events[0][0] <= end:
        now, _, happens = heapq.heappop(world.events)
        happens(now)
    return _result(world, now)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that this share of them does not exceed (nearest rank); NaN of nothing."""
    if not values:
        return float("nan")
    rank = -(-len(values) * share // 1)
    return sorted(values)[max(0, int(rank) - 1)]


def _result(world: _World, now: float) -> Simulation:
    waits = [job.claimed - job.arrived for job in world.jobs if job.claimed is not None]
    base = world.wanted or 1
    return Simulation(
        jobs=world.expected,
        done=sum(job.done for job in world.jobs),
        agents=world.made,
        wasted=world.wasted,
        crashed=world.crashed,
        peak=world.peak,
        wait_p50=percentile(waits, 0.5),
        wait_p95=percentile(waits, 0.95),
        wait_max=percentile(waits, 1.0),
        overshoot=100 * world.over / base,
        undershoot=100 * world.under / base,
        seconds=now,
    )
