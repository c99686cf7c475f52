"""A history without a repository: which commit contains which."""

from __future__ import annotations

OLD, NEW, LATER = "a" * 40, "b" * 40, "c" * 40
BESIDE = "d" * 40
"""On another line since OLD."""

_LINES = ((OLD, NEW, LATER), (OLD, BESIDE))


def contains(ancestor: str, descendant: str) -> bool:
    """As a checkout answers it."""
    found = (line for line in _LINES if descendant in line)
    return any(ancestor in line[: line.index(descendant) + 1] for line in found)


def revision(sha: str) -> str:
    """As Flux writes it."""
    return f"main@sha1:{sha}"
