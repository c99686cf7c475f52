"""The store as a directory: the default on one machine, and the twin of S3 in tests.

Owns: files below one root, replaced atomically.
Leaves to others: backups of that directory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from raibid.store.base import NotInStoreError, StoreError, checked

_PARTIAL: Final = ".partial"
"""A directory for objects that are not whole yet, below the first part of their keys; never listed.

Not one for the whole store: an agent mounts `artifacts` alone, can write nowhere else, and no rename crosses mounts."""
_ABANDONED_SECONDS: Final = 24 * 3600
"""A partial file that was not written to for so long belongs to a process that was killed."""


class FileStore:
    """Objects as files below `root`, which is created when first needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, content: BinaryIO) -> None:
        """Write elsewhere, then rename: a crash leaves a partial file for `sweep`, never half an object."""
        path = self.root / checked(key)
        with _translated(key):
            partials = self._partials(key)
            _make(path.parent)
            _make(partials)
            handle, name = tempfile.mkstemp(dir=partials)
            partial = Path(name)
            try:
                with os.fdopen(handle, "wb") as target:
                    shutil.copyfileobj(content, target, 1024 * 1024)
                    target.flush()
                    # The ledger forgets a job once it is archived: the bytes must survive a power cut by then.
                    os.fsync(target.fileno())
                partial.replace(path)
                _sync(path.parent)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def sweep(self) -> None:
        """Remove what killed processes left half written."""
        with _translated(_PARTIAL):
            for partial in (file for directory in self._all_partials() for file in _files(directory)):
                with suppress(FileNotFoundError):  # its writer is done with it, or another process sweeps as well
                    if time.time() - partial.stat().st_mtime > _ABANDONED_SECONDS:
                        partial.unlink()

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
                if key.startswith(prefix) and path.parent != self._partials(key):
                    yield key

    def presign(self, key: str, seconds: int) -> str:  # noqa: ARG002 - a file's URL cannot expire
        """A `file:` URL; it does not expire, and means something on this machine only."""
        return (self.root / checked(key)).resolve().as_uri()

    def _partials(self, key: str) -> Path:
        first, slash, _ = key.partition("/")
        return self.root / first / _PARTIAL if slash and first != _PARTIAL else self.root / _PARTIAL

    def _all_partials(self) -> Iterator[Path]:
        if self.root.is_dir():
            yield self.root / _PARTIAL
            yield from (entry / _PARTIAL for entry in self.root.iterdir())


def _make(directory: Path) -> None:
    """The directory and its parents, each of them safe in its own parent."""
    if not directory.is_dir():
        _make(directory.parent)
        directory.mkdir(exist_ok=True)
        _sync(directory.parent)


def _sync(directory: Path) -> None:
    """Make new names in it survive a power cut: a synced file whose name is lost is lost."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(directory: Path) -> Iterator[Path]:
    """Files below a directory in the order of their keys' bytes: `a.log` sorts before `a/b`, as S3 sorts them."""
    if not directory.is_dir():
        return
    entries = [(entry.name + ("/" if entry.is_dir() else ""), entry) for entry in directory.iterdir()]
    for name, entry in sorted(entries, key=lambda pair: pair[0].encode()):
        if name.endswith("/"):
            yield from _files(entry)
        else:
            yield entry


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotInStoreError(f"nothing is stored under {key}") from error
    except OSError as error:
        raise StoreError(f"{key}: {error.strerror or error}") from error
