"""One run: a burst of jobs through real KEDA, Kubernetes and containers while each part is killed.

Owns: the run: deliveries, faults at their conditions, looks at the ledger and at Kubernetes, the history.
Leaves to others: the plan (`faults.py`), the parts (`pool.py`), the verdict (`tests.chaos.checker`), telling it
(`chaos.py`).
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
from lightkube import ApiError, Client
from lightkube.resources.batch_v1 import Job as KubeJob
from lightkube.resources.core_v1 import Pod
from raibid.contract import Labels
from raibid.ledger import Ledger
from raibid.ledger.scripts import source
from raibid.model.job import JobStatus

from components.agent_pod import CACHE_CLAIM, NAME, NAMESPACE
from tests.chaos.history import Audit, History, Hit
from tests.chaos.power_loss import PowerLoss
from tests.chaos.recorder import Recorder
from tests.cluster.chaos.deliveries import Deliveries
from tests.cluster.chaos.faults import Fault, Strike, plan
from tests.cluster.parts.git_http import GitServer
from tests.cluster.parts.process import Part
from tests.cluster.pools.line import OBSERVER
from tests.cluster.pools.pool import SMALL, Pool

_LOOK: Final = 0.1
"""Seconds between two looks at the ledger; agents live for seconds."""
_COUNT: Final = 1.0
"""Seconds between two counts of pods, which cost the API server more."""
_LEASE: Final = 30.0
_START: Final = 60.0
"""Seconds for an agent's pod from its Job to its claim on a machine with other work (alone it takes 2)."""
_STUCK: Final = 300.0
_CARRIERS: Final = (Fault.KUBELET, Fault.CONTAINERD)
MARKS: Final = "ran"
"""Directory in the cache volume, where every execution of a build leaves a file: evidence beside the ledger's own."""
_PIPELINE: Final = f"""\
steps:
  - name: work
    run: |
      mkdir -p /workspace/.cargo/{MARKS}
      mktemp /workspace/.cargo/{MARKS}/$RAIBID_JOB_ID.XXXXXX
      sleep 0.2
"""


class ChaosClusterError(Exception):
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
        self._done: Counter[Fault] = Counter()
        self._hits: list[Hit] = []
        self._redis_down: list[float] = []
        self._lost_bytes = 0
        self._agents: set[str] = set()
        self._running: list[str] = []
        self._most = self._unfinished = 0
        self._counted = 0.0
        self._pool: Pool
        self._shim: PowerLoss
        self._kube: Client

    def history(self) -> History:
        """Run it to the end."""
        shim = PowerLoss(self._directory)
        shim.build()
        with ExitStack() as stack:
            pool = stack.enter_context(Pool(self._directory / "pool", scaler="keda", redis_env=shim.env, forge=False))
            self._pool, self._shim = pool, shim
            self._kube = pool.control_plane.client()
            git = stack.enter_context(GitServer(self._directory / "git", pool.address))
            spec = git.job("anvil", _PIPELINE).spec
            ledger = Observer.connect(pool.line.redis.url, username=OBSERVER, password=pool.line.observer_password())
            stack.callback(ledger.close)
            recorder = Recorder(ledger)
            deliveries = stack.enter_context(
                Deliveries(self._jobs, spec, pool.line.url, pool.line.token(), lambda: recorder.backlog)
            )
            calm = self._loop(recorder, deliveries)
            self._await_agents()
            return History(
                timeline=recorder.timeline,
                acknowledged=deliveries.acknowledged,
                notes=[],
                jobs=recorder.records(),
                rest=recorder.look().depth,
                lease=_LEASE,
                hits=self._hits,
                redis_down=self._redis_down,
                faults={**{str(kind): count for kind, count in self._done.items()}, "no answer": deliveries.unanswered},
                agents=len(self._agents),
                most_agents=self._most,
                max_agents=int(SMALL["ci_agent_max"]),
                calm=calm,
                drained=time.time() - calm,
                stay_bound=_LEASE + _START,
                end_bound=_LEASE + _START,
                lost_bytes=self._lost_bytes,
            )

    def executions(self) -> Counter[str]:
        """Job → how often its build was really begun, by what the builds themselves left behind."""
        marks = self._pool.line.directory / "claims" / CACHE_CLAIM / MARKS
        return Counter(mark.name.partition(".")[0] for mark in marks.iterdir())

    def _loop(self, recorder: Recorder, deliveries: Deliveries) -> float:
        """Until nothing is left; when the last fault was over."""
        calm, progress = 0.0, (0, time.monotonic())
        while True:
            audit = recorder.look()
            self._count()
            self._progress(recorder.ended, len(self._running), self._done.total())
            if recorder.ended != progress[0]:
                progress = recorder.ended, time.monotonic()
            if self._due and self._is_time(self._due[0], recorder.ended):
                self._strike(self._due.popleft())
            elif not self._due:
                calm = calm or time.time()
                if deliveries.done and _at_rest(audit, recorder):
                    return calm
            if time.monotonic() - progress[1] > _STUCK:
                raise ChaosClusterError(f"no job has ended for {_STUCK:.0f} s: {audit.depth}\n{self._pool.logs()}")
            time.sleep(_LOOK)

    def _is_time(self, strike: Strike, ended: int) -> bool:
        return ended >= strike.after and len(self._running) >= strike.running

    def _count(self) -> None:
        """Agents that run, Jobs that are unfinished."""
        if time.monotonic() - self._counted < _COUNT:
            return
        self._counted = time.monotonic()
        try:
            jobs = list(self._kube.list(KubeJob, namespace=NAMESPACE, labels={Labels.SCALED_JOB: NAME}))
            pods = list(self._kube.list(Pod, namespace=NAMESPACE))
        except httpx.TransportError:
            return  # a connection to the one that was killed
        self._agents |= {job.metadata.name for job in jobs if job.metadata and job.metadata.name}
        self._unfinished = sum(not _finished(job) for job in jobs)
        self._most = max(self._most, self._unfinished)
        self._running = [
            pod.metadata.name
            for pod in pods
            if pod.status and pod.status.phase == "Running" and pod.metadata and pod.metadata.name
        ]

    def _strike(self, strike: Strike) -> None:
        if strike.fault is Fault.POWER_LOSS:
            self._cut_the_power()
        elif strike.fault is Fault.AGENT:
            self._kill_an_agent()
        else:
            if strike.fault in _CARRIERS:
                # What carries an agent dies: that explains one lost lease of each that it carried.
                self._hits += [Hit(agent, str(strike.fault), time.time()) for agent in self._running]
            self._parts()[strike.fault].restart()
        self._done[strike.fault] += 1

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

    def _cut_the_power(self) -> None:
        """At its next sync, just before it: the moment in which it costs most."""
        server = self._pool.line.redis
        self._shim.arm()
        patience = time.monotonic() + 2.0
        while server.pid and time.monotonic() < patience:
            time.sleep(0.001)
        server.kill()
        self._redis_down.append(time.time())
        self._lost_bytes += self._shim.cut(server.directory / "appendonlydir")
        server.start()

    def _kill_an_agent(self) -> None:
        victim = self._running[0]
        self._hits.append(Hit(victim, "SIGKILL", time.time()))
        try:
            self._kube.delete(Pod, victim, namespace=NAMESPACE, grace_period=0)
        except ApiError as error:
            if error.status.code != 404:  # it ended by itself in the meantime
                raise

    def _await_agents(self) -> None:
        """Agents without a job give up by themselves."""
        deadline = time.monotonic() + _START
        while True:
            self._counted = 0.0
            self._count()
            if not self._unfinished:
                return
            if time.monotonic() > deadline:
                raise ChaosClusterError(f"agents that do not end: {self._running}")
            time.sleep(_COUNT)


def _at_rest(audit: Audit, recorder: Recorder) -> bool:
    d = audit.depth
    return not (d.stream + d.pending + d.waiting + d.held + recorder.open + len(recorder.of(JobStatus.HELD)))


def _finished(job: KubeJob) -> bool:
    conditions = (job.status and job.status.conditions) or []
    return any(one.type in ("Complete", "Failed") and one.status == "True" for one in conditions)
