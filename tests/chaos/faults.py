"""What a run asks for and what it suffers, from a seed. Pure: the same seed gives the same plan.

Owns: the jobs, the faults, when each is due (after so many jobs have ended: progress, not the clock).
Leaves to others: doing it (`injector.py`); which process is hit depends on who lives then.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from raibid.model.job import JobSpec, Priority

from tests.chaos.front_door import HELD_REPO, Request


class Fault(StrEnum):
    """A kind of fault."""

    AGENT_KILL = "agent-kill"
    AGENT_STOP = "agent-stop"  #: SIGSTOP for longer than the lease, then SIGCONT: a zombie
    AGENT_TERM = "agent-term"
    ZOMBIE = "zombie"  #: SIGSTOP until another agent has the job; that one is held while the zombie has its say
    REDIS_KILL = "redis-kill"
    POWER_LOSS = "power-loss"
    API_KILL = "api-kill"  #: in mid-request
    DUPLICATE = "duplicate"  #: a delivery comes again after it was answered
    PAUSE = "pause"
    WINDOW = "window"
    REPO_LIMIT = "repo-limit"
    GPU_LIMIT = "gpu-limit"
    APPROVE = "approve"  #: late
    CANCEL_HELD = "cancel-held"
    CANCEL_WAITING = "cancel-waiting"
    CANCEL_QUEUED = "cancel-queued"
    CANCEL_RUNNING = "cancel-running"
    CANCEL_LOST = "cancel-lost"  #: of a running job whose agent was just killed: nobody is left to hear it


RATES: Final = {
    Fault.AGENT_KILL: 40,
    Fault.AGENT_STOP: 17,
    Fault.AGENT_TERM: 30,
    Fault.ZOMBIE: 20,
    Fault.REDIS_KILL: 5,
    Fault.POWER_LOSS: 5,
    Fault.API_KILL: 25,
    Fault.DUPLICATE: 46,
    Fault.PAUSE: 17,
    Fault.WINDOW: 20,
    Fault.REPO_LIMIT: 30,
    Fault.GPU_LIMIT: 7,
    Fault.APPROVE: 40,
    Fault.CANCEL_HELD: 7,
    Fault.CANCEL_WAITING: 14,
    Fault.CANCEL_QUEUED: 10,
    Fault.CANCEL_RUNNING: 14,
    Fault.CANCEL_LOST: 7,
}
"""Per 1,000 jobs; every kind comes at least once."""

LONGEST_WORK: Final = 2.5
"""Seconds; some jobs are longer than a lease, so that beats carry them."""

_HELD: Final = 0.06
_PUSHED: Final = 0.35
"""Come as a signed webhook; the others by `POST /jobs`, with a priority, a resource, parameters of their own."""
_SIDE: Final = 0.4
"""Of those to a side branch, where the newer push supersedes the older one."""
_GPU: Final = 0.18
_DEPLOYED: Final = 0.5
"""Of those by `POST /jobs` to a repository with a limit: of a concurrency group. Who waits for one has no right to a
turn, so it is none of the repositories of which the checker says how long they wait."""


@dataclass(frozen=True)
class Due:
    """A fault, due when `after` jobs have ended."""

    after: int
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person may choose."""

    jobs: int = 300
    seed: int = 1
    max_agents: int = 12
    repos: int = 10
    power_loss: bool = True
    mutation: str = ""


@dataclass(frozen=True)
class Plan:
    """The jobs in order of delivery, the faults in order of time, the limits at the start.

    Every second repository never has a limit: there the checker can bound how often others come first.
    """

    requests: tuple[Request, ...]
    faults: tuple[Due, ...]
    limits: dict[str, int]  #: by repository
    unlimited: tuple[str, ...]


def make_plan(options: Options) -> Plan:
    """The plan of a seed."""
    rng = random.Random(options.seed)
    repos = [f"acme/r{i}" for i in range(options.repos)]
    requests = tuple(
        _request(rng, options.seed, i, repo, limited=repo in repos[::2])
        for i, repo in enumerate(rng.choices(repos, k=options.jobs))
    )
    faults = [
        Due(int(options.jobs * rng.uniform(0.02, 0.9)), kind)
        for kind, rate in RATES.items()
        if options.power_loss or kind is not Fault.POWER_LOSS
        for _ in range(max(1, round(rate * options.jobs / 1000)))
    ]
    limits = {repo: rng.randint(1, 3) for repo in repos[::2]}
    return Plan(requests, tuple(sorted(faults, key=lambda d: d.after)), limits, (*repos[1::2], HELD_REPO))


def _request(rng: random.Random, seed: int, number: int, repo: str, *, limited: bool) -> Request:
    # Mostly shorter than a beat.
    work = rng.choices((rng.uniform(0.0, 0.08), rng.uniform(0.2, 0.5), rng.uniform(1.0, LONGEST_WORK)), (80, 15, 5))[0]
    key = f"delivery-{seed}-{number}"
    if rng.random() < _HELD:
        return Request(key, _spec(HELD_REPO), webhook=True)
    if rng.random() < _PUSHED:
        return Request(key, _spec(repo, "feature" if rng.random() < _SIDE else "main"), webhook=True)
    deploys = limited and rng.random() < _DEPLOYED
    group = {"GROUP": rng.choice(("deploy", "{group: deploy, cancel: true}"))} if deploys else {}
    work = max(work, 0.3) if deploys else work  # long enough to be met by another one
    spec = _spec(
        repo,
        priority=rng.choices(list(Priority), (5, 20, 57, 18))[0],
        resource="gpu" if rng.random() < _GPU else "",
        params={"WORK": f"{work:.3f}", "CODE": "1" if rng.random() < 0.1 else "0"} | group,
    )
    return Request(key, spec)


def _spec(repo: str, branch: str = "main", **more: Any) -> JobSpec:
    return JobSpec(repo=repo, clone_url=f"https://forge.test/{repo}.git", ref=f"refs/heads/{branch}", **more)
