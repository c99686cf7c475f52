"""Mother of a run's processes: imports once, forks an agent in milliseconds.

10,000 Python starts would cost 25 minutes of CPU on two cores; a fork of this warm, single-threaded process costs
about 5 ms and then runs the same code in a process of its own, which can be killed and stopped like any other.

Owns: forking, signalling (never a pid that was reaped), reporting ends. Told by lines of JSON on stdin, tells on
stdout; when stdin ends, so does everything.
Leaves to others: what a child does (`agents.py`, `front_door.py`), when (`harness.py`).
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from raibid.contract import Keys
from raibid.ledger.scripts import FLAGS, source

from tests.chaos import agents, front_door
from tests.chaos.world import World

ROLES: Mapping[str, Callable[[World, str], None]] = {"agent": agents.run, "door": front_door.run}


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """Start a child (`role` set) or send one a signal."""

    name: str
    role: str = ""
    signal: int = 0


class Ended(msgspec.Struct, frozen=True):
    """A child is gone; `code` is negative for a signal."""

    name: str
    code: int


class Forker:
    """The children by pid, and what to do with an order."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._children: dict[int, str] = {}

    def obey(self, order: Order) -> None:
        if order.role:
            self._start(order)
            return
        for pid, name in self._children.items():
            if name == order.name:
                os.kill(pid, order.signal)

    def _start(self, order: Order) -> None:
        pid = os.fork()
        if pid:
            self._children[pid] = order.name
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            ROLES[order.role](self._world, order.name)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 -- a child must never return into the mother's loop
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def reap(self) -> None:
        """Report every child that ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            self._tell(Ended(self._children.pop(pid), code))

    @staticmethod
    def _tell(event: Ended) -> None:
        os.write(1, msgspec.json.encode(event) + b"\n")

    def end(self) -> None:
        """SIGKILL also ends what is stopped."""
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in list(self._children):
            os.waitpid(pid, 0)


def main(world_file: Path) -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the harness, which then closes stdin
    wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    forker = Forker(World.read(world_file))
    for name in FLAGS:
        source(name, Keys())  # read once for all children
    gc.collect()
    gc.freeze()  # children share these pages: their collector must not touch them
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    rest = b""
    while True:
        ready = {key.fd for key, _ in selector.select()}
        if wake_read in ready:
            os.read(wake_read, 4096)
        forker.reap()
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                forker.obey(msgspec.json.decode(line, type=Order))
    forker.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
