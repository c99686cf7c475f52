"""One run: a burst of jobs through real KEDA, Kubernetes and containers while each part is killed.

Owns: the run: deliveries, faults at their conditions, looks at the ledger, the history.
Leaves to others: the plan (`faults.py`), agents in Kubernetes (`agents.py`), the parts (`tests.cluster.pools.pool`),
the verdict (`verdict.py`), telling it (`__main__.py`).
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from raibid.ledger import Ledger
from raibid.ledger.scripts import source
from raibid.model.job import JobStatus

from components.agent_pod import CACHE_CLAIM
from tests.chaos.history import Audit, History
from tests.chaos.power_loss import PowerLoss
from tests.chaos.recorder import Recorder
from tests.cluster.chaos.agents import Agents
from tests.cluster.chaos.deliveries import Deliveries
from tests.cluster.chaos.faults import Fault, Strike, plan
from tests.cluster.chaos.verdict import MARK, marks
from tests.cluster.errors import ClusterError
from tests.cluster.parts.git_http import GitServer
from tests.cluster.parts.process import Part
from tests.cluster.pools.line import OBSERVER
from tests.cluster.pools.pool import SMALL, Pool

_LOOK: Final = 0.1
"""Seconds between two looks at the ledger; agents live for seconds."""
_LEASE: Final = 30.0
_START: Final = 60.0
"""Seconds for an agent's pod from its Job to its claim on a machine with other work (alone it takes 2)."""
_MOST_OPEN: Final = 25
"""Jobs that wait at once: enough for every agent, few enough that the API is still asked when it is killed."""
_STUCK: Final = 300.0
_SYNC: Final = 10.0
"""Seconds for Redis to write something and to sync it: agents beat, jobs come and go."""
_MARKS: Final = "ran"
"""Directory in the cache volume, where every execution of a build leaves a file: evidence beside the ledger's own."""
_PIPELINE: Final = f"""\
steps:
  - name: work
    run: |
      mkdir -p /workspace/.cargo/{_MARKS}
      mktemp /workspace/.cargo/{_MARKS}/{MARK}
      sleep 0.2
"""


class ChaosClusterError(ClusterError):
    """The run itself failed: nothing can be said about the pool."""


class Observer(Ledger):
    """The ledger of somebody who only looks."""

    def text_of(self, script: str) -> str:
        """As every ledger runs it."""
        return source(script, self.keys)


class Run:
    """One run in a directory of its own; `progress` is told (jobs ended, agents running, faults done)."""

    def __init__(self, jobs: int, seed: int, directory: Path, progress: Callable[[int, int, int], None]) -> None:
        self._jobs = jobs
        self._directory = directory
        self._progress = progress
        self._due = deque(plan(jobs, seed))
        self._allowed = self._due[0].delivered
        self._done: Counter[Fault] = Counter()
        self._redis_down: list[float] = []
        self._lost_bytes = 0
        self._pool: Pool
        self._shim: PowerLoss
        self._agents: Agents

    def history(self) -> History:
        """Run it to the end."""
        shim = PowerLoss(self._directory)
        shim.build()
        with ExitStack() as stack:
            pool = stack.enter_context(Pool(self._directory / "pool", scaler="keda", redis_env=shim.env, forge=False))
            self._pool, self._shim = pool, shim
            self._agents = Agents(pool.control_plane.client())
            git = stack.enter_context(GitServer(self._directory / "git", pool.address))
            spec = git.job("anvil", _PIPELINE).spec
            ledger = Observer.connect(pool.line.redis.url, username=OBSERVER, password=pool.line.observer_password())
            stack.callback(ledger.close)
            recorder = Recorder(ledger)

            def room(number: int) -> bool:
                return number < self._allowed and recorder.backlog < _MOST_OPEN

            deliveries = stack.enter_context(Deliveries(self._jobs, spec, pool.line.url, pool.line.token(), room))
            calm = self._loop(recorder, deliveries)
            self._await_agents()
            return History(
                timeline=recorder.timeline,
                acknowledged=deliveries.acknowledged,
                notes=[*marks(pool.line.directory / "claims" / CACHE_CLAIM / _MARKS)],
                jobs=recorder.records(),
                rest=recorder.look().depth,
                lease=_LEASE,
                hits=self._agents.hits,
                redis_down=self._redis_down,
                faults={**{str(kind): count for kind, count in self._done.items()}, "no answer": deliveries.unanswered},
                agents=len(self._agents.seen),
                most_agents=self._agents.most,
                max_agents=int(SMALL["ci_agent_max"]),
                calm=calm,
                drained=time.time() - calm,
                stay_bound=_LEASE + _START,
                end_bound=_LEASE + _START,
                lost_bytes=self._lost_bytes,
            )

    def _loop(self, recorder: Recorder, deliveries: Deliveries) -> float:
        """Until nothing is left; when the last fault was over."""
        calm, progress = 0.0, (0, time.monotonic())
        while True:
            audit = recorder.look()
            self._agents.glance()
            self._progress(recorder.ended, len(self._agents.running), self._done.total())
            if recorder.ended != progress[0]:
                progress = recorder.ended, time.monotonic()
            if self._due and self._is_time(self._due[0], recorder.ended):
                if self._strike(self._due[0].fault):
                    self._done[self._due.popleft().fault] += 1
                    self._allowed = self._due[0].delivered if self._due else self._jobs
            elif not self._due:
                calm = calm or time.time()
                if deliveries.done and _at_rest(audit, recorder):
                    return calm
            if time.monotonic() - progress[1] > _STUCK:
                raise ChaosClusterError(f"no job has ended for {_STUCK:.0f} s: {audit.depth}\n{self._pool.logs()}")
            time.sleep(_LOOK)

    def _is_time(self, strike: Strike, ended: int) -> bool:
        return ended >= strike.after and len(self._agents.running) >= strike.running

    def _strike(self, fault: Fault) -> bool:
        """Whether it did what it is named for; if not, the next look tries again."""
        if fault is Fault.POWER_LOSS:
            return self._cut_the_power()
        if fault is Fault.AGENT:
            return self._agents.kill_one()
        # No hits: a pod outlives each of these, so none of them explains a lost lease.
        self._parts()[fault].restart()
        return True

    def _parts(self) -> dict[Fault, Part]:
        assert self._pool.keda
        return {
            Fault.KUBE_APISERVER: self._pool.control_plane.apiserver,
            Fault.SCALER: self._pool.keda,
            Fault.KUBELET: self._pool.node.kubelet,
            Fault.CONTAINERD: self._pool.node.containerd,
            Fault.API: self._pool.line.api,
            Fault.CONTROLLER: self._pool.controller,
        }

    def _cut_the_power(self) -> bool:
        """At its next sync, just before it, which costs most. Where it cost nothing it was a mere kill: not done."""
        server = self._pool.line.redis
        self._shim.arm()
        patience = time.monotonic() + _SYNC
        while server.pid and time.monotonic() < patience:
            time.sleep(0.001)
        server.kill()
        self._redis_down.append(time.time())
        lost = self._shim.cut(server.directory / "appendonlydir")
        self._lost_bytes += lost
        server.start()
        return lost > 0

    def _await_agents(self) -> None:
        """Agents without a job give up by themselves."""
        deadline = time.monotonic() + _START
        while not (self._agents.look() and not self._agents.unfinished):
            if time.monotonic() > deadline:
                raise ChaosClusterError(f"agents that do not end: {self._agents.running}")
            time.sleep(_LOOK)


def _at_rest(audit: Audit, recorder: Recorder) -> bool:
    d = audit.depth
    return not (d.stream + d.pending + d.waiting + d.held + recorder.open + len(recorder.of(JobStatus.HELD)))
