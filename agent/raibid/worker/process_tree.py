"""Everything a step started, ended without survivors.

Owns: finding a step's processes and killing them: SIGTERM, grace, SIGKILL.
Leaves to others: when (`steps.py`).

A process may leave its group, its session and its parent. It cannot leave its ancestors here: this process is made
the subreaper of its descendants (Linux, prctl(2)), so that an orphan becomes its child instead of init's. The
step's processes are then all descendants that were not there before the step.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

import psutil

_PR_SET_CHILD_SUBREAPER: Final = 36
_LOOK_SECONDS: Final = 0.02
_KILL_BUDGET: Final = 10.0
"""For processes that fork faster than they are found, or hang in the kernel after SIGKILL."""


def become_subreaper() -> bool:
    """Let orphaned descendants become children of this process. False where the system cannot (not Linux)."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


class ProcessTree:
    """The descendants of this process that were started after this object was made.

    While it is in use, nothing else in this process may start processes that are to live on.
    """

    def __init__(self) -> None:
        become_subreaper()
        self._before = set(psutil.Process().children(recursive=True))
        self.leader = 0  #: the caller's own child, whose exit status is the caller's to read

    def alive(self) -> list[psutil.Process]:
        """The tree's processes; the dead that nobody waited for are reaped on the way.

        One empty look proves nothing: /proc is not read at one instant, and a process that gets a new parent
        meanwhile is found below neither.
        """
        return self._look() or self._look()

    def _look(self) -> list[psutil.Process]:
        found = [p for p in psutil.Process().children(recursive=True) if p not in self._before]
        return [process for process in found if not self._gone(process)]

    def end(self, grace: float, *, hurry: Callable[[], bool] = lambda: False) -> bool:
        """SIGTERM to all, SIGKILL to those left after `grace` seconds or when `hurry` says so. True: all gone."""
        if not self._signal(signal.SIGTERM):
            return True
        # A stopped process handles SIGTERM only when it goes on.
        self._signal(signal.SIGCONT)
        self._await_end(grace, hurry)
        return self.kill()

    def kill(self) -> bool:
        """SIGKILL to all until none is left. True: all gone."""
        deadline = time.monotonic() + _KILL_BUDGET
        while self._signal(signal.SIGKILL):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_SECONDS / 10)
        return True

    def _await_end(self, seconds: float, hurry: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline and not hurry():
            time.sleep(_LOOK_SECONDS)

    def _signal(self, number: signal.Signals) -> int:
        """Signal all; how many there were."""
        alive = self.alive()
        for process in alive:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue  # it ended by itself meanwhile
        return len(alive)

    def _gone(self, process: psutil.Process) -> bool:
        """Whether a process has ended. An adopted one that waits to be reaped is reaped, the leader is not."""
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                return False
            if process.pid != self.leader and process.ppid() == os.getpid():
                os.waitpid(process.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            pass  # reaped by its parent meanwhile: gone all the same
        return True
