"""A repository that was renamed since we heard its name: what changes something there is told again, under its new one.

Owns: the second try.
Leaves to others: questions, which the session asks at the new place by itself (`session.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from raibid.forge.errors import ForgeMovedError

T = TypeVar("T")


def under_its_name(repository: str, name_now: Callable[[str], str], act: Callable[[str], T]) -> T:
    """`act` on a repository; where the forge says that it moved, once more under the name that it has now.

    A redirect itself is not followed: clients turn a redirected POST into a GET, and it would be with our login.

    Raises:
        CallError: of `act`, or of asking for the name.
    """
    try:
        return act(repository)
    except ForgeMovedError:
        now = name_now(repository)
        if now == repository:
            raise
        return act(now)
