"""Files a build keeps: found by glob, hashed, put into the store.

Owns: which files of the checkout match, their keys.
Leaves to others: the store (`raibid.store`), how long it keeps them, what is in the files (they are not masked).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from raibid.model.conditions import glob_matches
from raibid.model.job import Artifact
from raibid.store import StoreError

Put = Callable[[str, BinaryIO], None]
MOST_FILES: Final = 1000
"""A glob that matches more was not meant; the report goes into the ledger."""


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


def keep(checkout: Path, globs: Sequence[str], put: Put | None, prefix: str) -> Kept:
    """Put every matching file into the store under `prefix`. A file that cannot be kept is a note, not a failure."""
    if not globs:
        return Kept()
    if put is None:
        return Kept(notes=("artifacts are not kept: this agent has no store",))
    artifacts: list[Artifact] = []
    notes: list[str] = []
    for path in matching(checkout, globs):
        if len(artifacts) == MOST_FILES:
            notes.append(f"more than {MOST_FILES} artifacts: the rest is not kept")
            break
        try:
            artifacts.append(_keep_file(checkout / path, path, put, f"{prefix}/{path}"))
        except (OSError, StoreError) as error:
            notes.append(f"artifact {path} is not kept: {error}")
    if not artifacts and not notes:
        notes.append(f"no file matches artifacts: {', '.join(globs)}")
    return Kept(tuple(artifacts), tuple(notes))


def _keep_file(file: Path, path: str, put: Put, key: str) -> Artifact:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        size = content.tell()
        content.seek(0)
        put(key, content)
    return Artifact(path=path, key=key, size=size, sha256=digest)
