"""Files a build keeps: found by glob, hashed, put into the store.

Owns: which files of the checkout match, their keys, their bounds. What is not kept is a line in the log and never fails
a build.
Leaves to others: the store (`raibid.store`), how long it keeps them, what is in the files (they are not masked).
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from raibid.model.conditions import glob_matches
from raibid.model.job import Artifact
from raibid.store import StoreError
from raibid.worker.errors import AgentError, InterruptedBuildError
from raibid.worker.stop import Stop

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Put = Callable[[str, BinaryIO], None]
MOST_FILES: Final = 1000
"""A glob that matches more was not meant; the report goes into the ledger."""
FILE_BYTES: Final = 1024**3
ALL_BYTES: Final = 2 * 1024**3
"""Of all files together. The stack's volume for all builds has 50 GiB at most (`components/api.py`), and a file of a
terabyte that takes no room in the workspace is one call. Hashing and writing 1 GiB took 3.5 s (2026-11-21)."""
MOST_SECONDS: Final = 600.0
"""A store that is so slow that 2 GiB take longer has the agent wait, and the next job with it."""
_READ_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """What is in the store, and lines for the log about what is not."""

    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()


def matching(checkout: Path, globs: Sequence[str]) -> Iterator[str]:
    """Paths of the regular files that a glob matches, in order. Nothing outside the checkout, nothing of git's own.

    A link to a file inside the checkout counts; linked directories are not entered.
    """
    root = checkout.resolve()
    for parent, directories, files in os.walk(root):
        directories[:] = sorted(name for name in directories if name != ".git")
        for name in sorted(files):
            path = Path(parent, name)
            relative = path.relative_to(root).as_posix()
            if any(glob_matches(glob, relative) for glob in globs):
                real = Path(os.path.realpath(path))  # `resolve` raises at links that lead to each other
                if real.is_relative_to(root) and real.is_file():
                    yield relative


def keep(
    checkout: Path, globs: Sequence[str], put: Put | None, prefix: str, stop: Stop, deadline: float = math.inf
) -> Kept:
    """Put every matching file into the store under `prefix`. A file that cannot be kept is a note, not a failure.

    Args:
        checkout: where they are.
        globs: the pipeline's.
        put: of the store; None: there is none.
        prefix: of their keys.
        stop: ends it before its time: what is whole in the store by then is kept.
        deadline: the same (`time.monotonic`).
    """
    if not globs:
        return Kept()
    if put is None:
        return Kept(notes=("artifacts are not kept: this agent has no store",))
    artifacts: list[Artifact] = []
    notes: list[str] = []
    watch = _Watch(stop, min(deadline, time.monotonic() + MOST_SECONDS))
    for count, path in enumerate(matching(checkout, globs)):
        if count == MOST_FILES:
            notes.append(f"more than {MOST_FILES} artifacts: the rest is not kept")
            break
        room = min(FILE_BYTES, ALL_BYTES - sum(artifact.size for artifact in artifacts))
        try:
            artifacts.append(_keep_file(checkout / path, path, put, f"{prefix}/{path}", room, watch))
        except (OSError, StoreError, _TooLargeError) as error:
            notes.append(f"artifact {path} is not kept: {error}")
        except InterruptedBuildError as error:
            notes.append(f"artifact {path} and what comes after it are not kept: {error}")
            break
    if not artifacts and not notes:
        notes.append(f"no file matches artifacts: {', '.join(globs)}")
    return Kept(tuple(artifacts), tuple(notes))


class _TooLargeError(AgentError):
    """More than there is room for."""


@dataclass(frozen=True)
class _Watch:
    stop: Stop
    deadline: float

    def check(self) -> None:
        """Raise InterruptedBuildError when it is time to end."""
        self.stop.check()
        if time.monotonic() >= self.deadline:
            raise InterruptedBuildError("the time for it is used up")


class _Watched(io.RawIOBase):
    """A file on its way into the store: hashed as it is read, and only for as long as it may be."""

    def __init__(self, file: BinaryIO, watch: _Watch) -> None:
        self._file = file
        self._watch = watch
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._watch.check()
        view = memoryview(buffer)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self.digest.update(data)
        return len(data)


def _keep_file(file: Path, path: str, put: Put, key: str, room: int, watch: _Watch) -> Artifact:
    watch.check()
    with file.open("rb") as content:
        size = os.fstat(content.fileno()).st_size
        if size > room:
            most = f"{FILE_BYTES >> 20} MiB is the most, {ALL_BYTES >> 20} MiB for all together"
            raise _TooLargeError(f"too large ({size >> 20} MiB; {most})")
        watched = _Watched(content, watch)
        put(key, io.BufferedReader(watched, _READ_BYTES))
    return Artifact(path=path, key=key, size=size, sha256=watched.digest.hexdigest())
