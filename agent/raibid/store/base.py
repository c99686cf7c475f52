"""What every store promises, and what can go wrong with one.

Owns: the protocol, the rule for keys, the exception root.
Leaves to others: where the bytes are (`filesystem.py`, `s3.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

_LONGEST_KEY: Final = 1024  # bytes; S3's own bound


class StoreError(Exception):
    """Root of the store's errors; also raised as such when the store cannot be reached or refuses."""


class NotInStoreError(StoreError):
    """Nothing is kept under that key."""


class InvalidKeyError(StoreError):
    """A key that is not a relative path of plain names: never looked up, so nothing outside the store is reachable."""


class Store(Protocol):
    """Objects by key. A key is a relative path, `jobs/2026/11/21/<id>.log`. Thread-safe."""

    def put(self, key: str, content: BinaryIO) -> None:
        """Keep everything `content` still has to give. Readers see the old object or the whole new one."""
        ...

    def get(self, key: str) -> BinaryIO:
        """The object as a stream; close it. Raises NotInStoreError."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that start with `prefix`, in order of bytes. Lazy: asking for the first costs one look."""
        ...

    def presign(self, key: str, seconds: int) -> str:
        """A URL that lets anybody fetch the object for a while. Does not check that it exists."""
        ...


def checked(key: str) -> str:
    """The key itself.

    Raises:
        InvalidKeyError: empty, absolute, over 1,024 bytes, or with `..`, `.`, empty parts, backslashes or controls.
    """
    parts = key.split("/")
    if (
        len(key.encode("utf-8", "replace")) > _LONGEST_KEY
        or any(part in ("", ".", "..") for part in parts)
        or "\\" in key
        or not key.isprintable()
    ):
        raise InvalidKeyError(f"{key[:80]!r} is not a key: use plain names joined by /, without . or ..")
    return key
