"""When agents fail as soon as they start: fewer, later, one at a time.

Owns: the decision whether another agent may start now. Pure: the clock is an argument.
Leaves to others: starting and reaping agents (`local.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

QUICK_SECONDS: Final = 5.0
"""An agent that ends with an error this soon never worked: a wrong environment, a missing module, no disk."""
TOLERATED: Final = 3
"""Quick failures in a row before the first pause; one lost race or one OOM kill is no pattern."""
LONGEST_PAUSE: Final = 60.0
FORGOTTEN_SECONDS: Final = 10 * LONGEST_PAUSE
"""Without a failure for so long nobody has probed: what was wrong then says nothing about now."""


@dataclass(frozen=True)
class Backoff:
    """Quick failures in a row, the time of the last, and until when no agent may start."""

    failures: int = 0
    failed: float = 0.0
    until: float = 0.0
    first_pause: float = 2.0

    @property
    def active(self) -> bool:
        """Whether agents fail again and again."""
        return self.failures >= TOLERATED

    def after(self, *, exit_code: int, lifetime: float, now: float) -> Self:
        """The state after an agent has ended. Anything but a quick failure forgets them all."""
        if exit_code == 0 or lifetime >= QUICK_SECONDS:
            return self._forgotten()
        failures = self.failures + 1
        doublings = min(max(0, failures - TOLERATED), 16)
        pause = min(LONGEST_PAUSE, self.first_pause * 2**doublings) if failures >= TOLERATED else 0.0
        return replace(self, failures=failures, failed=now, until=now + pause)

    def at(self, now: float, *, alive: Iterable[float] = ()) -> Self:
        """The state as it is later; `alive`: when the agents started that live still.

        One that started after the last failure and has outlived a quick one shows as much as its end would, which may
        be a whole build away.
        """
        survived = any(self.failed <= started <= now - QUICK_SECONDS for started in alive)
        return self._forgotten() if survived or now - self.failed >= FORGOTTEN_SECONDS else self

    def allowed(self, wanted: int, *, running: int, now: float) -> int:
        """How many of the wanted agents may start: while they fail a single probe, and none during a pause."""
        if not self.active:
            return wanted
        return min(wanted, 1) if now >= self.until and running == 0 else 0

    def _forgotten(self) -> Self:
        return replace(self, failures=0, failed=0.0, until=0.0)
