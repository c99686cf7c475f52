"""A job's directory: made before the build, gone after it, whatever the build did to it.

Owns: its layout, its end, how much room is left.
Leaves to others: what is put into it.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raibid.worker.errors import InfrastructureError, WorkspaceFullError

_log = logging.getLogger(__name__)
_PREFIX: Final = "raibid-"  # nothing else in the parent directory is ever touched
FULL_BELOW: Final = 1024 * 1024
"""Less room than this after a failed step and the disk is the culprit: not even a small object file fits."""


@dataclass(frozen=True)
class Workspace:
    """The directories of one job."""

    root: Path

    @property
    def checkout(self) -> Path:
        """The repository; where steps run."""
        return self.root / "checkout"

    @property
    def home(self) -> Path:
        """HOME of the steps."""
        return self.root / "home"

    @property
    def tmp(self) -> Path:
        """TMPDIR of the steps."""
        return self.root / "tmp"

    @property
    def spool(self) -> Path:
        """The log on its way to the ledger."""
        return self.root / "log"


@contextmanager
def workspace(parent: Path, name: str) -> Iterator[Workspace]:
    """A fresh workspace, removed at the end; those of agents that were killed are removed at the start.

    Raises:
        WorkspaceFullError: no room for it. InfrastructureError: it cannot be made.
    """
    with ExitStack() as held:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as alone:
                _hold(parent, alone, wait=True)  # nobody takes a directory that is just being made for abandoned
                abandoned = [path for path in parent.glob(f"{_PREFIX}*") if _hold(path, held)]
                place = Workspace(Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{name}-", dir=parent)))
                _hold(place.root, held)
            for path in abandoned:
                remove(path)
            for directory in (place.checkout, place.home, place.tmp):
                directory.mkdir()
        except OSError as error:
            raise disk_error(error) from error
        try:
            yield place
        finally:
            remove(place.root)


def _hold(directory: Path, held: ExitStack, *, wait: bool = False) -> bool:
    """Lock a directory until `held` ends, or this process does, however it does. False: somebody else has it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return False
    held.callback(os.close, descriptor)
    return True


def remove(path: Path) -> None:
    """Delete a tree, read-only directories included. What is left is logged: the next job has its own directory."""
    try:
        try:
            shutil.rmtree(path)
        except PermissionError:
            _make_writable(path)
            shutil.rmtree(path)
    except OSError as error:
        _log.warning("workspace %s is not removed: %s", path, error.strerror)


def _make_writable(path: Path) -> None:
    """Let the owner list and empty every directory of a tree, top first: a step may have made them read-only."""
    path.chmod(stat.S_IRWXU)
    for parent, directories, _ in os.walk(path):
        for name in directories:
            directory = Path(parent, name)
            if not directory.is_symlink():
                directory.chmod(stat.S_IRWXU)


def disk_free(path: Path) -> int:
    """Bytes that may still be written below `path`."""
    return shutil.disk_usage(path).free


def is_full(free: int) -> bool:
    """Whether a step that failed with this many bytes free failed for want of room."""
    return free < FULL_BELOW


def disk_error(error: OSError) -> InfrastructureError:
    """An OSError from the workspace as what it means for the job."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorkspaceFullError("workspace full")
    return InfrastructureError(f"workspace: {error.strerror or error}")
