"""One run: a real Redis, real agent processes, KEDA's arithmetic, a plan of jobs and faults; its history comes out.

Owns: the loop, starting and ending everything, when it counts as drained.
Leaves to others: faults (`injector.py`), processes (`mother.py`), recording (`recorder.py`), judging (`checker.py`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from raibid.local.redis_server import RedisServer, free_port
from raibid.model.job import JobStatus
from raibid.scaler.arithmetic import Scaling, jobs_to_create

from tests.chaos.coroner import Coroner
from tests.chaos.deliveries import Deliveries
from tests.chaos.faults import LONGEST_WORK, Options, make_plan
from tests.chaos.history import Audit, History
from tests.chaos.injector import Injector, System
from tests.chaos.mother import Mother
from tests.chaos.power_loss import PowerLoss
from tests.chaos.recorder import Recorder
from tests.chaos.world import World, read_journal

LEASE: Final = 2.0
BEAT: Final = 0.5
_POLL: Final = 0.03
_TICK: Final = 0.25
_START_MARGIN: Final = 2.0
"""Seconds for a process to start and say its first word on a machine with other work (alone it takes 0.1)."""

STAY_BOUND: Final = LEASE + 1.0 + 1.0 + _START_MARGIN
"""Seconds: a lease runs out, judged in whole seconds of Redis' uptime; agents without a job ask once a second."""
END_BOUND: Final = STAY_BOUND + LONGEST_WORK
"""Seconds: every job left may have been lost with its agent; then one is worked on."""


class ChaosError(Exception):
    """The run itself failed: nothing can be said about the ledger."""


class Run:
    """One run in a directory of its own. `progress` is told (jobs ended, agents alive, faults so far)."""

    def __init__(self, options: Options, directory: Path, progress: Callable[[int, int, int], None]) -> None:
        self._options = options
        self._directory = directory
        self._progress = progress
        self._scaling = Scaling(max_replicas=options.max_agents)
        self._agents = 0
        self._most = 0
        self._doors = 0
        self._ticked = 0.0
        self._calm: float | None = None  # epoch seconds
        self._ended = (0, 0.0)  # jobs, and when the last one did

    def history(self) -> History:
        """Run it to the end."""
        with ExitStack() as stack:
            shim = PowerLoss(self._directory)
            if self._options.power_loss:
                shim.build()
            env = shim.env if self._options.power_loss else {}
            server = stack.enter_context(RedisServer(self._directory / "redis", env=env))
            world = World(
                directory=str(self._directory),
                redis_url=server.url,
                door_port=free_port(),
                lease=LEASE,
                beat=BEAT,
                mutation=self._options.mutation,
            )
            plan = make_plan(self._options)
            ledger = world.ledger()
            stack.callback(ledger.close)
            ledger.setup()
            recorder = Recorder(ledger)
            mother = stack.enter_context(Mother(world))
            deliveries = Deliveries(plan.requests, world.door_port, mother, lambda: recorder.backlog)
            system = System(ledger, recorder, mother, deliveries, server, shim)
            injector = Injector(self._options, plan, system)
            coroner = Coroner(self._options.seed, ledger)
            injector.calm()
            self._open_door(system)
            stack.enter_context(deliveries)
            drained = self._loop(system, injector, coroner)
            self._await_agents(system, coroner)
            rest = recorder.look().depth
            return History(
                timeline=recorder.timeline,
                acknowledged=deliveries.acknowledged,
                notes=read_journal(world.journal),
                jobs=recorder.records(),
                rest=rest,
                lease=LEASE,
                hits=injector.hits,
                redis_down=injector.redis_down,
                unlimited=plan.unlimited,
                faults={
                    **{str(kind): count for kind, count in injector.done.items()},
                    "no answer, delivered again": deliveries.unanswered,
                    "end of an agent told": coroner.told,
                },
                agents=self._agents,
                most_agents=self._most,
                max_agents=self._options.max_agents,
                calm=self._calm,
                drained=drained,
                stay_bound=STAY_BOUND,
                end_bound=END_BOUND,
                lost_bytes=injector.lost_bytes,
            )

    def _loop(self, system: System, injector: Injector, coroner: Coroner) -> float:
        """Until nothing is left, or nothing ends any more: then the checker says what is wrong. Seconds since calm."""
        while True:
            self._poll_children(system, coroner)
            coroner.step()
            audit = system.recorder.look()
            self._scale(system, audit)
            self._tick(system)
            if self._calm is not None:
                self._approve_all(system)
                if self._at_rest(system, audit) or self._stuck(system.recorder.ended):
                    return time.time() - self._calm
            else:
                injector.step()
                if injector.over:
                    injector.calm()
                    self._calm = time.time()
            self._progress(system.recorder.ended, len(system.mother.agents), sum(injector.done.values()))
            time.sleep(_POLL)

    def _stuck(self, ended: int) -> bool:
        if ended != self._ended[0] or not self._ended[1]:
            self._ended = ended, time.monotonic()
        return time.monotonic() - self._ended[1] > 3 * END_BOUND

    def _poll_children(self, system: System, coroner: Coroner) -> None:
        for child in system.mother.poll():
            if child.name == system.deliveries.door:
                self._open_door(system)
            elif child.name.startswith("agent-"):
                coroner.hear(child)

    def _open_door(self, system: System) -> None:
        self._doors += 1
        system.deliveries.door = f"door-{self._doors}"
        system.mother.start(system.deliveries.door, "door")

    def _scale(self, system: System, audit: Audit) -> None:
        """KEDA: the stream's length and the unfinished agents decide, nothing else."""
        running = len(system.mother.agents)
        for _ in range(jobs_to_create(self._scaling, metric=audit.depth.stream, running=running)):
            self._agents += 1
            system.mother.start(f"agent-{self._agents}", "agent")
        self._most = max(self._most, len(system.mother.agents))

    def _tick(self, system: System) -> None:
        if time.monotonic() - self._ticked > _TICK:
            self._ticked = time.monotonic()
            system.ledger.tick()

    @staticmethod
    def _approve_all(system: System) -> None:
        for job in system.recorder.of(JobStatus.HELD):
            system.ledger.approve(job, "chaos")

    @staticmethod
    def _at_rest(system: System, audit: Audit) -> bool:
        d = audit.depth
        left = d.stream + d.pending + d.waiting + d.held + system.recorder.open
        return system.deliveries.done and not left

    def _await_agents(self, system: System, coroner: Coroner) -> None:
        """Agents without a job give up by themselves, zombies learn that they are; then nobody writes any more."""
        deadline = time.monotonic() + 60
        while system.mother.agents:
            self._poll_children(system, coroner)
            if time.monotonic() > deadline:
                raise ChaosError(f"agents that do not end: {system.mother.agents}")
            time.sleep(_POLL)
        if system.mother.failed:
            raise ChaosError(f"{system.mother.failed} processes ended by an error: {self._directory}/children.log")


def terminate_on_sigterm() -> None:
    """Ctrl-C and SIGTERM end a run the same way: every process of it goes."""

    def handler(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, handler)
