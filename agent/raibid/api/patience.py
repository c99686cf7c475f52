"""When something that failed may be tried again: later each time, with jitter.

Owns: the waiting times.
Leaves to others: what failed, and trying it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

K = TypeVar("K")
_MOST_DOUBLINGS: Final = 30  # 2.0 ** 1024 overflows


@dataclass
class Patience(Generic[K]):
    """Per key: `first` seconds after the first failure, doubled with each, at most `longest`."""

    first: float
    longest: float
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    """0 to 1; the last half of a waiting time is left to it, so that those who failed together part."""
    longest_asked: float = 3600.0
    """At most so long, too, when the other side asks for more. GitHub's limits begin anew each hour."""
    _failures: dict[K, tuple[int, float]] = field(default_factory=dict)
    """Key → how often it failed in a row, when it may be tried again."""

    def failed(self, key: K, at_least: float = 0.0) -> bool:
        """Note a failure. `at_least`: seconds the other side asked for. Whether it is the first in a row."""
        times = self._failures.get(key, (0, 0.0))[0]
        pause = min(self.longest, self.first * 2.0 ** min(times, _MOST_DOUBLINGS)) * (0.5 + self.jitter() / 2)
        self._failures[key] = (times + 1, self.clock() + max(pause, min(at_least, self.longest_asked)))
        return times == 0

    def succeeded(self, key: K) -> bool:
        """Note a success. Whether it had failed before."""
        return self._failures.pop(key, None) is not None

    def waits(self, key: K) -> bool:
        """Whether it is too early to try again."""
        return key in self._failures and self.clock() < self._failures[key][1]

    def due(self, key: K) -> float:
        """When it may be tried again, by `clock`; 0 when its last try did not fail."""
        return self._failures.get(key, (0, 0.0))[1]

    def keep(self, keys: Iterable[K]) -> None:
        """Forget all others: nobody will try them again."""
        wanted = set(keys)
        self._failures = {key: value for key, value in self._failures.items() if key in wanted}
