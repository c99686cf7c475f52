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

from raibid.contract import Env
from raibid.worker.errors import InfrastructureError, WorkspaceFullError

_log = logging.getLogger(__name__)
_PREFIX: Final = "raibid-"  # nothing else in the parent directory is ever touched
FULL_BELOW: Final = 1024 * 1024
"""Less room than this after a failed step and the disk is the culprit: not even a small object file fits."""
TIGHT_BELOW: Final = 64 * FULL_BELOW
"""With less than this a step that says so is believed: a linker removes what did not fit, so room is free again."""
_NO_SPACE: Final = (b"no space left on device", b"disk quota exceeded")


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
            parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
            _check_owner(parent)
            with ExitStack() as alone:
                _lock(parent, alone, fcntl.LOCK_EX)  # nobody takes a directory that is just being made for abandoned
                abandoned = [path for path in parent.glob(f"{_PREFIX}*") if _is_abandoned(path, held)]
                place = Workspace(Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{name}-", dir=parent)))
                _lock(place.root, held, fcntl.LOCK_EX)
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


def _check_owner(parent: Path) -> None:
    """In a directory like /tmp anybody may have made the parent first, and would then own the builds in it."""
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.geteuid()):
        raise InfrastructureError(
            f"workspace {parent}: a link, or another user's (uid {found.st_uid}); set {Env.WORKSPACE} to a directory"
        )


def _lock(directory: Path, held: ExitStack, operation: int) -> None:
    """Lock a directory until `held` ends, or this process does, however it does."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, operation)
    except OSError:
        os.close(descriptor)
        raise
    held.callback(os.close, descriptor)


def _is_abandoned(directory: Path, held: ExitStack) -> bool:
    """Whether nobody works there any more; if so, it is locked like one's own.

    False as well for what cannot be opened: its owner has just removed it, or it is not an agent's.
    """
    try:
        _lock(directory, held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove(path: Path) -> None:
    """Delete a tree, read-only directories included. What is left is logged: the next job has its own directory."""
    try:
        try:
            shutil.rmtree(path)
        except PermissionError:
            _make_writable(path)
            shutil.rmtree(path)
    except FileNotFoundError:
        return  # its owner was faster
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


@dataclass(frozen=True)
class Room:
    """What a file system still takes."""

    free: int  #: bytes
    more_files: bool = True  #: whether it has an inode left


def room_left(path: Path) -> Room:
    """The room below `path`. A file system that does not count inodes (btrfs: none in all) has always one more."""
    disk = os.statvfs(path)
    return Room(free=disk.f_bavail * disk.f_frsize, more_files=disk.f_favail > 0 or disk.f_files == 0)


def is_full(room: Room, last_words: bytes) -> bool:
    """Whether a step that failed and left this room failed for want of more.

    What a step says is not enough, because its tests may print it too.
    """
    said = any(words in last_words.lower() for words in _NO_SPACE)
    tight = room.free < TIGHT_BELOW or not room.more_files
    return room.free < FULL_BELOW or (said and tight)


def disk_error(error: OSError) -> InfrastructureError:
    """An OSError from the workspace as what it means for the job."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorkspaceFullError("workspace full")
    return InfrastructureError(f"workspace: {error.strerror or error}")
