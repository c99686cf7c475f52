"""The build context of the pool's images: a tar whose bytes hang on nothing but the files that go into it.

Owns: which files of the checkout `agent/Dockerfile` may see, the tar, its hash.
Leaves to others: what is built of it (`agent/Dockerfile`), who builds (`image.build`), the graph (`agent_image`).
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCKERFILE: Final = "agent/Dockerfile"
EPOCH: Final = 1_735_689_600
"""2025-01-01: the time of every file in the context and in the image (SOURCE_DATE_EPOCH). Not 0: zip, which Python's
wheels are, begins in 1980."""
_FILES: Final = (DOCKERFILE, "agent/entrypoint.py", "agent/pyproject.toml", "pyproject.toml", "uv.lock")
_PACKAGE: Final = "agent/raibid"
_LEFT_OUT: Final = ("agent/raibid/local/samples/",)
_SUFFIXES: Final = frozenset({".py", ".lua", ".typed"})
_EXECUTABLE: Final = frozenset({"agent/entrypoint.py"})


class ContextError(Exception):
    """The checkout has not got what the image is built of. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Context:
    """What a builder is given."""

    files: Mapping[str, bytes]
    """By path, sorted."""

    @property
    def hash(self) -> str:
        """SHA-256 of the tar, in hexadecimal."""
        return hashlib.sha256(self.tar()).hexdigest()

    def tar(self) -> bytes:
        """An uncompressed tar: sorted, one owner, one time, two modes. (gzip's bytes differ between its versions.)"""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, data in self.files.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mtime = len(data), EPOCH
                entry.mode = 0o755 if path in _EXECUTABLE else 0o644
                archive.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()

    def write(self, directory: Path) -> None:
        """The same files as a directory, for builders that want one; times and modes as in the tar."""
        with tarfile.open(fileobj=io.BytesIO(self.tar())) as archive:
            archive.extractall(directory, filter="tar")


def build_context(root: Path) -> Context:
    """The context of the checkout at `root`.

    Raises:
        ContextError: a file is missing or cannot be read.
    """
    try:
        return Context({path: (root / path).read_bytes() for path in sorted(_paths(root))})
    except OSError as error:
        raise ContextError(
            f"{error.filename}: {error.strerror}", "the image is built from a whole checkout of raibid-ci"
        ) from error


def _paths(root: Path) -> Iterator[str]:
    yield from _FILES
    for file in (root / _PACKAGE).rglob("*"):
        path = file.relative_to(root).as_posix()
        if file.suffix in _SUFFIXES and not path.startswith(_LEFT_OUT):
            yield path
