"""How each command of the cluster tests ends: a sentence and an exit code, never a traceback of what it foresaw.

Owns: the exit codes, SIGTERM and Ctrl-C, the directory of a run and its removal, also by the next one.
Leaves to others: the command lines (`demo`, `chaos`, `measure`), what failed (`errors.py`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.chaos.harness import terminate_on_sigterm
from tests.cluster.errors import ClusterError

FAILED: Final = 2
INTERRUPTED: Final = 130
_LOCK: Final = "running"


def exit_code(name: str, run: Callable[[], int]) -> int:
    """What `run` returns; 2 when the cluster under it failed, 130 after Ctrl-C or SIGTERM: each part is ended then."""
    terminate_on_sigterm()
    try:
        return run()
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: ended; nothing is left running\n")
        return INTERRUPTED
    except ClusterError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return FAILED


@contextmanager
def own_directory(name: str) -> Iterator[Path]:
    """For logs, databases and passwords of one run; they go with it, and those of runs that were killed go first."""
    prefix = f"raibid-{name}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _remove_if_abandoned(left)
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    with (directory / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield directory
        finally:
            shutil.rmtree(directory)


def _remove_if_abandoned(directory: Path) -> None:
    """If nobody holds its lock. Without a lock it is that of a run that begins or ends, or somebody else's."""
    with suppress(FileNotFoundError, BlockingIOError):
        if directory.lstat().st_uid != os.getuid() or directory.is_symlink():
            return
        with (directory / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory)
