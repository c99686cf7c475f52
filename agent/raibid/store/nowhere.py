"""The store of a command that was told of none: looking needs none, and keeping says why it cannot.

Owns: that nothing is ever lost in it.
Leaves to others: everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from raibid.store.base import StoreError


class NowhereStore:
    """Refuses everything."""

    def __init__(self, why: str) -> None:
        self._why = why

    def put(self, key: str, content: BinaryIO) -> None:  # noqa: ARG002  (the protocol's)
        """Raises StoreError."""
        self._refuse(key)

    def get(self, key: str) -> BinaryIO:
        """Raises StoreError."""
        self._refuse(key)

    def list(self, prefix: str) -> Iterator[str]:
        """Raises StoreError."""
        self._refuse(prefix)

    def presign(self, key: str, seconds: int) -> str:  # noqa: ARG002
        """Raises StoreError."""
        self._refuse(key)

    def _refuse(self, key: str) -> NoReturn:
        raise StoreError(f"{key}: {self._why}")
