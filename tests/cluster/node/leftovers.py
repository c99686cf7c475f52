"""What a session puts into this machine's kernel, and how the next one removes it when a session died.

Owns: a record per session (who runs it, its bridge and control group, its directory) in the per-user cache.
Leaves to others: processes and mounts, which the kernel itself ends (`machine.py`).
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.node.image_archive import cache, replace
from tests.cluster.node.machine import remove_cgroup, residents
from tests.cluster.node.network import ip
from tests.waiting import until


@contextmanager
def session(directory: Path) -> Iterator[str]:
    """A name for bridge and control group that no other session has; what dead sessions left is removed first.

    `directory` goes with the session: a node's images and containers are gigabytes.
    """
    sweep()
    name = f"rbd{secrets.token_hex(4)}"
    record = cache("sessions") / f"{name}.json"
    owner = {"pid": os.getpid(), "started": _started(os.getpid()), "directory": str(directory)}
    replace(record, json.dumps(owner).encode())
    try:
        yield name
    finally:
        _remove(record, owner)


def sweep() -> None:
    """Remove what sessions left whose process is gone. One at a time: two would remove the same bridge."""
    sessions = cache("sessions")
    with (sessions / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for record in sessions.glob("*.json"):
            owner = json.loads(record.read_text())
            if _started(owner["pid"]) != owner["started"]:
                _remove(record, owner)


def _remove(record: Path, owner: dict[str, Any]) -> None:
    name = record.stem
    if Path(f"/sys/class/net/{name}").exists():
        ip("link", "delete", name)
    # The kernel has killed what ran in there; it may still be at it.
    until(lambda: not residents(name), f"the processes of {name} end")
    remove_cgroup(name)
    shutil.rmtree(owner["directory"], ignore_errors=True)
    record.unlink(missing_ok=True)


def _started(pid: int) -> str:
    """When a process started, in ticks: a number that comes again is another process. Empty: there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
