"""Does the faults of a plan to the living system.

Owns: choosing a victim, what each fault does, undoing it later.
Leaves to others: which faults and when (`faults.py`), the loop (`harness.py`).
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Final

from raibid.ledger import Ledger
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobStatus

from tests.chaos.agents import slow_clock
from tests.chaos.deliveries import Deliveries
from tests.chaos.faults import Fault, Options, Plan
from tests.chaos.history import Hit
from tests.chaos.mother import Mother
from tests.chaos.power_loss import PowerLoss
from tests.chaos.recorder import Recorder

_ZOMBIE_WORK: Final = 0.3
"""Seconds: the heir is seen by the next look, some 40 ms after its claim."""


@dataclass(frozen=True)
class System:
    """What can be hit."""

    ledger: Ledger
    recorder: Recorder
    mother: Mother
    deliveries: Deliveries
    server: RedisServer
    shim: PowerLoss


class Injector:
    """The faults still to come, and those to be undone."""

    def __init__(self, options: Options, plan: Plan, system: System) -> None:
        self._options = options
        self._limits = plan.limits
        self._system = system
        self._rng = random.Random(options.seed + 1)
        self._due = deque(plan.faults)
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._progress = (0, time.monotonic())
        self._waiting: list[Fault] = []  # due, but nobody to hit yet
        self.done: Counter[Fault] = Counter()
        self._haunted: set[str] = set()  # jobs that have or had a zombie
        self.hits: list[Hit] = []
        self.redis_down: list[float] = []
        self.lost_bytes = 0

    @property
    def over(self) -> bool:
        """Whether every fault has been injected and undone."""
        return not (self._due or self._later or self._waiting)

    def step(self) -> None:
        """Undo what is to be undone by now, inject what is due by now."""
        now, ended = time.monotonic(), self._system.recorder.ended
        while self._later and self._later[0][0] <= now:  # what puts itself off again is later than now
            heapq.heappop(self._later)[2]()
        if ended != self._progress[0]:
            self._progress = (ended, now)
        # A limit of 0, a pause, a window of 1: nothing may end until the next fault changes that.
        stalled = now - self._progress[1] > 1.5 * self._system.ledger.timing.lease
        if stalled:
            self._progress = (ended, now)
        if stalled and not self._due:
            self._waiting.clear()  # what they wait for will not come any more
        while self._due and (self._due[0].after <= ended or stalled):
            self._waiting.append(self._due.popleft().fault)
            stalled = False
        self._waiting = [fault for fault in self._waiting if not self._inject(fault)]

    def calm(self) -> None:
        """After the last fault: everything open, as at the start; whatever is held is approved."""
        ledger = self._system.ledger
        ledger.resume()
        ledger.set_window(self._options.max_agents)
        ledger.set_limit("resource", "gpu", 1)
        for repo, limit in self._limits.items():
            ledger.set_limit("repo", repo, limit)

    def _inject(self, fault: Fault) -> bool:
        done = _ACTIONS[fault](self)
        self.done[fault] += done
        return done

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._number), action))

    # --- agents ----------------------------------------------------------------------------------------

    def _victim(self, number: Signals) -> str | None:
        """Half the time any agent, half the time one that is known to have a job; to be stopped, only such a one."""
        busy = number is SIGSTOP or self._rng.random() < 0.5
        owner = self._owner(self._pick(JobStatus.RUNNING)) if busy else ""
        agents = self._system.mother.agents
        if owner in agents:
            return owner
        return self._rng.choice(agents) if agents and number is not SIGSTOP else None

    def _owner(self, job: str | None) -> str:
        record = self._system.ledger.records.get(job) if job else None
        return record.owner if record and record.status is JobStatus.RUNNING else ""

    def _pick(self, status: JobStatus) -> str | None:
        jobs = self._system.recorder.of(status)
        return self._rng.choice(jobs) if jobs else None

    def _signal(self, agent: str, number: Signals) -> None:
        self.hits.append(Hit(agent, number.name, time.time()))
        self._system.mother.signal(agent, number)

    def _wake(self, agent: str) -> None:
        self._system.mother.signal(agent, SIGCONT)

    def _hit(self, number: Signals) -> bool:
        victim = self._victim(number)
        if victim is None:
            return False
        self._signal(victim, number)
        if number is SIGSTOP:
            asleep = self._system.ledger.timing.lease * self._rng.uniform(1.1, 1.8)
            self._after(asleep, lambda: self._wake(victim))
        return True

    def _zombie(self) -> bool:
        """One whose slow clock lets it believe in its lease, with a job long enough to meet the heir at work."""
        agents = self._system.mother.agents
        for job in self._system.recorder.of(JobStatus.RUNNING):
            owner = self._owner(job) if job not in self._haunted else ""
            if owner in agents and slow_clock(owner) and self._work(job) >= _ZOMBIE_WORK:
                self._haunted.add(job)
                self._signal(owner, SIGSTOP)
                self._await_heir(job, owner, time.monotonic() + 3 * self._system.ledger.timing.lease)
                return True
        return False

    def _work(self, job: str) -> float:
        record = self._system.ledger.records.get(job)
        return float(record.spec.params.get("WORK", 0)) if record else 0.0

    def _await_heir(self, job: str, zombie: str, deadline: float) -> None:
        recorder = self._system.recorder
        heir = recorder.owners.get(job, zombie)
        if heir != zombie and recorder.standing[job] is JobStatus.RUNNING:
            self._signal(heir, SIGSTOP)
            self._wake(zombie)
            self._await_last_word(zombie, heir, time.monotonic() + 0.8 * self._system.ledger.timing.lease)
        elif time.monotonic() < deadline and not recorder.standing[job].terminal:
            self._after(0.0, lambda: self._await_heir(job, zombie, deadline))
        else:  # it was cancelled, or is kept back by a limit
            self._wake(zombie)

    def _await_last_word(self, zombie: str, heir: str, deadline: float) -> None:
        if zombie in self._system.mother.agents and time.monotonic() < deadline:
            self._after(0.0, lambda: self._await_last_word(zombie, heir, deadline))
        else:
            self._wake(heir)

    # --- Redis and the API -----------------------------------------------------------------------------

    def _redis_dies(self, power_loss: bool) -> bool:
        server = self._system.server
        if power_loss and self._rng.random() < 0.7:  # else at any moment, mostly between two writes
            self._system.shim.arm()
            patience = time.monotonic() + 0.5
            while server.pid and time.monotonic() < patience:
                time.sleep(0.001)
        server.kill()
        self.redis_down.append(time.time())
        if power_loss:
            self.lost_bytes += self._system.shim.cut(server.directory / "appendonlydir")
        time.sleep(self._rng.uniform(0.0, 0.3))  # the fault: this long there is no Redis
        server.start()
        return True

    def _api_dies(self) -> bool:
        if self._system.deliveries.done or self._system.deliveries.disturb:
            return False
        self._system.deliveries.disturb = True
        return True

    # --- people ----------------------------------------------------------------------------------------

    def _cancel(self, status: JobStatus) -> bool:
        job = self._pick(status)
        if job is None:
            return False
        self._system.recorder.cancel(job)
        return True

    def _cancel_lost(self) -> bool:
        job = self._pick(JobStatus.RUNNING)
        owner = self._owner(job)
        if job is None or owner not in self._system.mother.agents:
            return False
        self._signal(owner, SIGKILL)
        self._system.recorder.cancel(job)
        return True

    def _approve(self) -> bool:
        job = self._pick(JobStatus.HELD)
        if job is None:
            return False
        self._system.ledger.approve(job, "chaos")
        return True

    def _pause(self) -> bool:
        self._system.ledger.pause()
        self._after(self._rng.uniform(0.1, 0.6), self._system.ledger.resume)
        return True

    def _window(self) -> bool:
        most = self._options.max_agents
        self._system.ledger.set_window(self._rng.choice((0, 1, most // 2, most - 1)))
        self._after(self._rng.uniform(0.2, 1.0), lambda: self._system.ledger.set_window(most))
        return True

    def _repo_limit(self) -> bool:
        repo, limit = self._rng.choice(list(self._limits)), self._rng.choice((0, 1, 1, 2, 2, 3, None))
        self._system.ledger.set_limit("repo", repo, limit)
        if limit == 0:  # for ever, it would fill the whole backlog with its jobs
            self._after(self._rng.uniform(0.2, 1.5), lambda: self._system.ledger.set_limit("repo", repo, 1))
        return True

    def _gpu_limit(self) -> bool:
        self._system.ledger.set_limit("resource", "gpu", self._rng.choice((0, 2)))
        self._after(self._rng.uniform(0.2, 1.0), lambda: self._system.ledger.set_limit("resource", "gpu", 1))
        return True


_ACTIONS: dict[Fault, Callable[[Injector], bool]] = {
    Fault.AGENT_KILL: lambda i: i._hit(SIGKILL),
    Fault.AGENT_STOP: lambda i: i._hit(SIGSTOP),
    Fault.AGENT_TERM: lambda i: i._hit(SIGTERM),
    Fault.ZOMBIE: Injector._zombie,
    Fault.REDIS_KILL: lambda i: i._redis_dies(power_loss=False),
    Fault.POWER_LOSS: lambda i: i._redis_dies(power_loss=True),
    Fault.API_KILL: Injector._api_dies,
    Fault.DUPLICATE: lambda i: i._system.deliveries.repeat_one(),
    Fault.PAUSE: Injector._pause,
    Fault.WINDOW: Injector._window,
    Fault.REPO_LIMIT: Injector._repo_limit,
    Fault.GPU_LIMIT: Injector._gpu_limit,
    Fault.APPROVE: Injector._approve,
    Fault.CANCEL_HELD: lambda i: i._cancel(JobStatus.HELD),
    Fault.CANCEL_WAITING: lambda i: i._cancel(JobStatus.WAITING),
    Fault.CANCEL_QUEUED: lambda i: i._cancel(JobStatus.QUEUED),
    Fault.CANCEL_RUNNING: lambda i: i._cancel(JobStatus.RUNNING),
    Fault.CANCEL_LOST: Injector._cancel_lost,
}
