"""Ending an agent's processes when the agent cannot do it itself.

Owns: finding and killing them.
Leaves to others: when (`local.py`); an agent that is alive ends its steps itself (`raibid.worker.process_tree`).
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from collections.abc import Collection
from typing import Final

import psutil

from raibid.contract import Env

_PR_SET_CHILD_SUBREAPER: Final = 36
_PATIENCE: Final = 10.0
"""For processes that fork faster than they are found, or hang in the kernel after SIGKILL."""


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL an agent and its build: steps are in process groups of their own, and orphans would build on."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue  # ended in between: what was wanted
    process.wait()


def end_orphans(agent: str) -> None:
    """SIGKILL what an agent that was killed left of its build. In a pod the kernel does that; here the steps, in
    sessions of their own, would build on beside their job's next start.

    Found by the agent's name in their environment. A step can put that off: `end_adopted` finds those, too."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(Env.AGENT_NAME) == agent:
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # gone by itself, or somebody else's


def adopt_orphans() -> bool:
    """Have what dead agents leave become children of this process instead of init's. False where that cannot be."""
    if sys.platform != "linux":
        return False  # not Linux
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def end_adopted(agents: Collection[int]) -> None:
    """SIGKILL all children of this process, and theirs, but these. Needs `adopt_orphans`.

    A process may leave its group, session and parent, and has no say in who adopts it. A live agent adopts its own."""
    deadline = time.monotonic() + _PATIENCE
    while left := [child for child in psutil.Process().children() if child.pid not in agents]:
        for child in left:
            _kill_family(child)
        psutil.wait_procs(left, max(0.0, deadline - time.monotonic()))
        if time.monotonic() >= deadline:
            return


def _kill_family(process: psutil.Process) -> None:
    try:
        for member in (process, *process.children(recursive=True)):
            member.kill()
    except psutil.NoSuchProcess:
        return  # ended in between; what it leaves is a child of this process at the next look
