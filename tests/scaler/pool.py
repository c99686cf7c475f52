"""What the local scaler's tests share: programs that stand for agents, a queue the test sets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
from raibid.scaler.local import LocalScaler, ScalerEvent

from tests.waiting import until

WORKS_ON = "import signal; signal.pause()"
"""Ends only by a signal."""
STUBBORN = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
open(os.environ["READY"], "w").write(str(child.pid))
while True: signal.pause()
"""
RELEASES = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (open(os.environ["RELEASED"], "a").write("released\\n"), sys.exit(0)))
open(os.environ["READY"], "w").close()
while True: signal.pause()
"""


class Clock:
    """Time that passes only when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Pool:
    """A scaler whose queue the test sets, and what it said."""

    def __init__(self) -> None:
        self.length: int | Exception = 0
        self.events: list[ScalerEvent] = []
        self.clock = Clock()
        self.scalers: list[LocalScaler] = []

    def queue(self) -> int:
        if isinstance(self.length, Exception):
            raise self.length
        return self.length

    def scaler(
        self, program: str = WORKS_ON, *, max_agents: int = 3, min_agents: int = 0, grace: float = 30.0,
        poll: float = 0.01, log_dir: Path | None = None, env: dict[str, str] | None = None,
        command: tuple[str, ...] | None = None,
    ) -> LocalScaler:  # fmt: skip
        scaler = LocalScaler(
            self.queue, max_agents=max_agents, min_agents=min_agents, poll=poll, grace=grace, log_dir=log_dir,
            command=command or (sys.executable, "-c", program), env={**os.environ, **(env or {})},
            on_event=self.events.append, clock=self.clock,
        )  # fmt: skip
        self.scalers.append(scaler)
        return scaler

    def said(self, kind: str) -> list[str]:
        return [e.message for e in self.events if e.kind == kind]


def await_end(scaler: LocalScaler) -> None:
    """Until every agent has ended, without reaping one: that is the scaler's to do."""
    children = [psutil.Process(pid) for pid in scaler.pids]
    until(lambda: all(c.status() == psutil.STATUS_ZOMBIE for c in children), "agents end")
