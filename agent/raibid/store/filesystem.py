"""The store as a directory: the default on one machine, and the twin of S3 in tests.

Owns: files below one root, replaced atomically.
Leaves to others: backups of that directory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from raibid.store.base import NotInStoreError, StoreError, checked

_PARTIAL: Final = ".partial-"  # a key may not be listed before its object is whole


class FileStore:
    """Objects as files below `root`, which is created when first needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, content: BinaryIO) -> None:
        """Write beside the target, then rename: a crash leaves a `.partial-` file, never half an object."""
        path = self.root / checked(key)
        with _translated(key):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
            partial = Path(name)
            try:
                with os.fdopen(handle, "wb") as target:
                    shutil.copyfileobj(content, target, 1024 * 1024)
                    target.flush()
                    # The ledger forgets a job once it is archived: the bytes must survive a power cut by then.
                    os.fsync(target.fileno())
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def get(self, key: str) -> BinaryIO:
        """The open file."""
        path = self.root / checked(key)
        with _translated(key):
            if path.is_dir():
                raise NotInStoreError(f"nothing is stored under {key}")
            return path.open("rb")

    def list(self, prefix: str) -> Iterator[str]:
        """Walk only the directories that can hold the prefix."""
        parent = prefix.rpartition("/")[0]
        base = self.root / checked(parent) if parent else self.root
        with _translated(prefix):
            for path in _files(base):
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix):
                    yield key

    def presign(self, key: str, seconds: int) -> str:  # noqa: ARG002 - a file's URL cannot expire
        """A `file:` URL; it does not expire, and means something on this machine only."""
        return (self.root / checked(key)).resolve().as_uri()


def _files(directory: Path) -> Iterator[Path]:
    """Files below a directory in the order of their keys' bytes: `a.log` sorts before `a/b`, as S3 sorts them."""
    if not directory.is_dir():
        return
    entries = [(entry.name + ("/" if entry.is_dir() else ""), entry) for entry in directory.iterdir()]
    for name, entry in sorted(entries, key=lambda pair: pair[0].encode()):
        if name.endswith("/"):
            yield from _files(entry)
        elif not name.startswith(_PARTIAL):
            yield entry


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotInStoreError(f"nothing is stored under {key}") from error
    except OSError as error:
        raise StoreError(f"{key}: {error.strerror or error}") from error
