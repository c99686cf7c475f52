"""The harness's side of the forker: who lives, start one, signal one.

Owns: the forker process from start to end.
Leaves to others: forking itself (`forker.py`), deciding whom to hit (`injector.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from tests.chaos.forker import Ended, Order
from tests.chaos.world import World

ROOT: Final = Path(__file__).parents[2]


class Mother:
    """All processes of a run except Redis. `signal` may be called from any thread, the rest from one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._rest = b""
        self.live: dict[str, str] = {}  #: name → role
        self.failed = 0  #: children that ended by an error of their own

    def __enter__(self) -> Self:
        self._errors = (Path(self._world.directory) / "children.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.forker", str(self._world.write())],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        os.set_blocking(self._out, False)
        return self

    @property
    def _out(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _send(self, order: Order) -> None:
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(msgspec.json.encode(order) + b"\n")
            self._process.stdin.flush()

    @property
    def agents(self) -> list[str]:
        """The agents alive at the last `poll`, oldest first."""
        return [name for name, role in self.live.items() if role == "agent"]

    def start(self, name: str, role: str) -> None:
        """Fork a child."""
        self.live[name] = role
        self._send(Order(name, role))

    def signal(self, name: str, number: signal.Signals) -> None:
        """Signal a child; nothing happens if it has ended."""
        self._send(Order(name, signal=int(number)))

    def poll(self) -> list[Ended]:
        """The children that ended since the last call."""
        try:
            data = os.read(self._out, 65536)
        except BlockingIOError:
            return []
        if not data:
            raise RuntimeError(f"the forker died; see {self._errors.name}")
        *lines, self._rest = (self._rest + data).split(b"\n")
        ended = [msgspec.json.decode(line, type=Ended) for line in lines]
        for child in ended:
            self.live.pop(child.name, None)
            self.failed += child.code == 1
        return ended

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # its end of input: it kills what still lives
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
