"""The local scaler: KEDA's part on a machine without a cluster. Reads the stream's length, starts agent processes.

Owns: the poll, the agents' processes from start to end, the pause when they fail at once.
Leaves to others: how many (`arithmetic.py`), what an agent does (`raibid.worker`), printing (`on_event`).

An agent is a process in a session of its own: Ctrl-C at the terminal reaches only the scaler, which then lets the
agents release their jobs. A scaler that dies by SIGKILL takes no agent with it: each finishes its job, finds or
does not find another, and exits by itself. A new scaler does not count them, so for that long more than max may live.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raibid.contract import DEFAULT_WINDOW, POLL_SECONDS, Env
from raibid.ledger import Ledger, LedgerError
from raibid.ledger.errors import translated
from raibid.scaler.arithmetic import Scaling, jobs_to_create
from raibid.scaler.backoff import Backoff
from raibid.scaler.processes import adopt_orphans, end_adopted, end_orphans, kill_tree

AGENT_COMMAND: Final = (sys.executable, "-m", "raibid.worker")
GRACE_SECONDS: Final = 60.0
"""From SIGTERM to SIGKILL, as terminationGracePeriodSeconds of the pool's pods."""
_KEPT_LOGS: Final = 20


QueueLength = Callable[[], int]
"""Jobs that an agent may take or has taken, not finished yet. Raises LedgerError when Redis is away."""


def stream_length(ledger: Ledger) -> QueueLength:
    """XLEN of the work stream: the one command KEDA sends too."""

    def read() -> int:
        with translated():
            return ledger.client.xlen(ledger.keys.stream)

    return read


@dataclass(frozen=True, kw_only=True)
class ScalerEvent:
    """Something worth a line to the operator. `kind`: started, ended, failed, back-off, redis-away, redis-back,
    start-failed, stopping, killed."""

    kind: str
    message: str
    running: int
    agent: str = ""


@dataclass(frozen=True)
class _Agent:
    name: str
    process: subprocess.Popen[bytes]
    started: float
    log: Path | None


def _silent(_: ScalerEvent) -> None:
    """Nobody asked."""


class LocalScaler:
    """Starts agent processes for the queue, at most `max_agents` at a time.

    Not thread-safe: `run` or `step` belong to one thread. `env` is the agents' whole environment (default: this
    process's); each gets a name of its own in `RAIBID_AGENT_NAME`. With `log_dir` an agent's output goes to a file
    there, which is deleted when it ends well; without, agents write to this process's output. `adopt`: this process is
    the scaler's alone, so that every child of it that is no agent is what a killed agent left.

    An agent's exit code 0 says it did its part, whatever became of the build.
    """

    def __init__(
        self,
        queue: QueueLength,
        *,
        max_agents: int = DEFAULT_WINDOW,
        min_agents: int = 0,
        poll: float = POLL_SECONDS,
        grace: float = GRACE_SECONDS,
        command: Sequence[str] = AGENT_COMMAND,
        env: Mapping[str, str] | None = None,
        log_dir: Path | None = None,
        adopt: bool = False,
        on_event: Callable[[ScalerEvent], None] = _silent,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_agents < 1 or not 0 <= min_agents <= max_agents:
            raise ValueError(f"agents: need 0 <= min <= max and max >= 1, not min {min_agents} and max {max_agents}")
        self._queue = queue
        self._scaling = Scaling(max_replicas=max_agents, min_replicas=min_agents)
        self._poll = poll
        self._grace = grace
        self._command = list(command)
        self._env = dict(os.environ if env is None else env)
        self._log_dir = log_dir
        self._adopts = adopt and adopt_orphans()
        self._on_event = on_event
        self._clock = clock
        self._agents: list[_Agent] = []
        self._backoff = Backoff(first_pause=poll)
        self._redis_away = False
        self._series = secrets.token_hex(3)
        self._count = 0

    @property
    def running(self) -> int:
        """Agents alive at the last look."""
        return len(self._agents)

    @property
    def pids(self) -> list[int]:
        """Process ids of the agents alive at the last look."""
        return [a.process.pid for a in self._agents]

    def run(self, stop: threading.Event) -> None:
        """Poll until `stop`, then let the agents release their jobs and end."""
        try:
            while not stop.is_set():
                self.step()
                stop.wait(self._poll)
        finally:
            self.shutdown()

    def step(self) -> int:
        """One poll: forget the agents that ended, read the queue, start what is missing. How many it started."""
        self._reap()
        length = self._read_queue()
        if length is None:
            return 0
        wanted = jobs_to_create(self._scaling, metric=length, running=self.running)
        now = self._clock()
        self._backoff = self._backoff.at(now, alive=(agent.started for agent in self._agents))
        allowed = self._backoff.allowed(wanted, running=self.running, now=now)
        return sum(self._start() for _ in range(allowed))

    def shutdown(self) -> None:
        """SIGTERM to every agent, SIGKILL with all its children to those still there after the grace."""
        self._reap()
        if not self._agents:
            return
        self._tell("stopping", f"agents get {self._grace:g} s to release their jobs")
        for agent in self._agents:
            agent.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        for agent in self._agents:
            try:
                agent.process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                kill_tree(agent.process)
                self._tell(
                    "killed", f"did not end within {self._grace:g} s after SIGTERM; its lease will expire", agent
                )
        self._reap()

    def _read_queue(self) -> int | None:
        """The queue's length; None while Redis is away. Said once per change, not once per poll."""
        try:
            length = self._queue()
        except LedgerError as error:
            if not self._redis_away:
                self._tell("redis-away", f"no agent is started or ended until it answers: {error}")
            self._redis_away = True
            return None
        if self._redis_away:
            self._tell("redis-back", "Redis answers again")
        self._redis_away = False
        return length

    def _start(self) -> bool:
        self._count += 1
        name = f"local-{self._series}-{self._count}"
        log = self._log_dir / f"{name}.log" if self._log_dir else None
        try:
            process = self._spawn(name, log)
        except OSError as error:  # no such command, no more processes, full disk
            self._backoff = self._backoff.after(exit_code=1, lifetime=0.0, now=self._clock())
            self._tell("start-failed", f"cannot start {self._command[0]}: {error.strerror}")
            return False
        agent = _Agent(name, process, self._clock(), log)
        self._agents.append(agent)
        self._tell("started", f"pid {process.pid}", agent)
        return True

    def _spawn(self, name: str, log: Path | None) -> subprocess.Popen[bytes]:
        def popen(output: int | None) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                env={**self._env, Env.AGENT_NAME: name},
                start_new_session=True,
            )

        if log is None:
            return popen(None)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            return popen(file.fileno())

    def _reap(self) -> None:
        alive: list[_Agent] = []
        ended: list[tuple[_Agent, int]] = []
        for agent in self._agents:
            code = agent.process.poll()
            if code is None:
                alive.append(agent)
            else:
                ended.append((agent, code))
        self._agents = alive
        for agent, code in ended:
            self._ended(agent, code)

    def _ended(self, agent: _Agent, code: int) -> None:
        now = self._clock()
        self._backoff = self._backoff.after(exit_code=code, lifetime=now - agent.started, now=now)
        if code == 0:
            self._tell("ended", "exit code 0", agent)
            if agent.log:
                agent.log.unlink(missing_ok=True)
            return
        if code < 0:
            end_orphans(agent.name)
            if self._adopts:
                end_adopted(self.pids)
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._tell("failed", "; ".join(filter(None, [how, _last_line(agent.log)])), agent)
        if self._backoff.active:
            pause = self._backoff.until - now
            self._tell(
                "back-off", f"{self._backoff.failures} agents in a row failed at once; next try in {pause:.0f} s"
            )
        self._drop_old_logs()

    def _drop_old_logs(self) -> None:
        if self._log_dir:
            live = {a.log for a in self._agents}
            old = sorted((p for p in self._log_dir.glob("local-*.log") if p not in live), key=_modified)
            for path in old[:-_KEPT_LOGS]:
                path.unlink(missing_ok=True)

    def _tell(self, kind: str, message: str, agent: _Agent | None = None) -> None:
        self._on_event(ScalerEvent(kind=kind, message=message, running=self.running, agent=agent.name if agent else ""))


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Within the block SIGTERM and SIGINT set `stop`. Main thread only."""

    def handler(_signal: int, _frame: object) -> None:
        # Not stop.set() right here: the main thread may be inside stop.wait() and hold the event's own lock.
        threading.Thread(target=stop.set, daemon=True).start()

    before = {s: signal.signal(s, handler) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _last_line(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]


def _modified(path: Path) -> float:
    return path.stat().st_mtime
