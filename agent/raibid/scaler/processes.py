"""Ending an agent's processes when the agent cannot do it itself.

Owns: finding and killing them.
Leaves to others: when (`local.py`); an agent that is alive ends its steps itself (`raibid.worker.process_tree`).
"""

from __future__ import annotations

import subprocess

import psutil

from raibid.contract import Env


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
    sessions of their own, would build on beside their job's next start."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(Env.AGENT_NAME) == agent:
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # gone by itself, or somebody else's
