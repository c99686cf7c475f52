"""When agents fail as soon as they start: fewer, later, one at a time.

Owns: the decision whether another agent may start now. Pure: the clock is an argument.
Leaves to others: starting and reaping agents (`local.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

QUICK_SECONDS: Final = 5.0
"""An agent that ends with an error this soon never worked: a wrong environment, a missing module, no disk."""
TOLERATED: Final = 3
"""Quick failures in a row before the first pause; one lost race or one OOM kill is no pattern."""
LONGEST_PAUSE: Final = 60.0


@dataclass(frozen=True)
class Backoff:
    """Quick failures in a row, and until when no agent may start."""

    failures: int = 0
    until: float = 0.0
    first_pause: float = 2.0

    @property
    def active(self) -> bool:
        """Whether agents fail again and again."""
        return self.failures >= TOLERATED

    def after(self, *, exit_code: int, lifetime: float, now: float) -> Self:
        """The state after an agent has ended. Anything but a quick failure forgets them all."""
        if exit_code == 0 or lifetime >= QUICK_SECONDS:
            return replace(self, failures=0, until=0.0)
        failures = self.failures + 1
        doublings = min(max(0, failures - TOLERATED), 16)
        pause = min(LONGEST_PAUSE, self.first_pause * 2**doublings) if failures >= TOLERATED else 0.0
        return replace(self, failures=failures, until=now + pause)

    def allowed(self, wanted: int, *, running: int, now: float) -> int:
        """How many of the wanted agents may start: while they fail a single probe, and none during a pause."""
        if not self.active:
            return wanted
        return min(wanted, 1) if now >= self.until and running == 0 else 0
