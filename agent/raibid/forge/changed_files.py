"""The list of files that a push or a pull request changes, as far as it is kept: the job's record lives in Redis.

Owns: how long the list may be.
Leaves to others: where it comes from (payloads, the forges' APIs), what it decides (`intake.py`, the steps' filters).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MOST: Final = 1_000
"""GitHub lists 3,000 of a pull request and says nothing of the others."""
_MOST_CHARACTERS: Final = 100_000
"""Ten times what a thousand paths of this project have; a path may have 4,096."""


def bounded(files: Iterable[str]) -> tuple[str, ...] | None:
    """The files, sorted and each once; None for more than is kept: such a push counts as touching anything.

    It takes no more of them than that, so that a forge is asked for no further page.
    """
    found: set[str] = set()
    characters = 0
    for file in files:
        if file not in found:
            found.add(file)
            characters += len(file)
        if len(found) > _MOST or characters > _MOST_CHARACTERS:
            return None
    return tuple(sorted(found))
