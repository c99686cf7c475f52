"""Answers kept for a moment and worked out one at a time: what a route without a token may cost the pool.

Owns: how long, how many, and who waits.
Leaves to others: the answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from raibid.api.errors import OverloadedError

_MOST_KEPT: Final = 1_000
_MOST_WAITING: Final = 100

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Remembered(Generic[_K, _V]):
    """Values by key, each kept for some seconds. For one event loop."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._kept: dict[_K, tuple[float, _V]] = {}

    async def get(self, key: _K, find: Callable[[], _V]) -> _V:
        """The kept value, or what `find` gives; that runs in a thread, and never two of them at once.

        Raises:
            OverloadedError: too many wait for their turn.
        """
        if (kept := self._fresh(key)) is not None:
            return kept
        if self._waiting >= _MOST_WAITING:
            raise OverloadedError
        self._waiting += 1
        try:
            async with self._turn:
                # Again: whoever had the turn before may have asked for the same.
                if (kept := self._fresh(key)) is not None:
                    return kept
                found = await asyncio.to_thread(find)
                self._keep(key, found)
                return found
        finally:
            self._waiting -= 1

    def _fresh(self, key: _K) -> _V | None:
        until, value = self._kept.get(key, (0.0, None))
        return value if self._clock() < until else None

    def _keep(self, key: _K, value: _V) -> None:
        self._kept.pop(key, None)  # so that it is the newest again
        self._kept[key] = (self._clock() + self._seconds, value)
        if len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
