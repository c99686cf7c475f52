"""The git command line, for repositories on this machine.

Owns: an environment in which git neither asks nor runs this user's hooks, and its errors in one line.
Leaves to others: what is committed and pushed (`repository.py`), the agents' checkouts (`raibid.worker`).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from raibid.local.errors import RepositoryError

# A hook is called with GIT_DIR and friends set; a pool started from one must not follow them.
_LOCAL: Final = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
)


def git(*args: str, at: Path, env: Mapping[str, str] | None = None) -> str:
    """Run git in a directory; its output without the last line end.

    Raises:
        RepositoryError: git is missing or failed.
    """
    return run_git(*args, at=at, env=env).stdout.rstrip("\n")


def run_git(*args: str, at: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run git in a directory; both outputs. Raises RepositoryError as `git` does."""
    clean = {name: value for name, value in os.environ.items() if name not in _LOCAL}
    # A hook of the user's guards their own commits and pushes, not these. It is no setting of the receiving side.
    command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(at), *args]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            env={**clean, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(env or {})},
        )
    except FileNotFoundError as error:
        raise RepositoryError("git is not on PATH: install it, then again") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RepositoryError(f"git {args[0]} failed: {said[-1]}")
    return done
