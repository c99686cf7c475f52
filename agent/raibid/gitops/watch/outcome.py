"""How far a commit is, as data: the named outcomes, one step on the way, the result.

Owns: the names and what each of them promises.
Leaves to others: how they are found (`flux.py`, `argo.py`, `health.py`), waiting for them (`follow.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from raibid.gitops.cluster import Happening
from raibid.gitops.objects import Ref


class Outcome(StrEnum):
    """Where a commit stands; the earliest stage that it has not passed. A watch always ends with one of them."""

    HEALTHY = "healthy"
    """Applied, not reverted since, and what it changed is healthy."""
    NOT_FETCHED = "not-fetched"
    """The source does not have the commit; its message says why."""
    NOT_ATTEMPTED = "not-attempted"
    """Fetched, but the applier has not tried it: a dependency is not ready, or its turn has not come."""
    FAILING = "failing"
    """Tried, and refused: it does not build, or the API server does not take it."""
    NOT_HEALTHY = "not-healthy"
    """Applied, but the applier's health checks, an object of it, a wished value or a probe fails."""
    SUPERSEDED = "superseded"
    """A later commit reverts it, or one that does not contain it is in its place."""
    SUSPENDED = "suspended"
    """The source or the applier is switched off."""
    AWAITING_SYNC = "awaiting-sync"
    """Argo CD has compared it and waits for somebody to sync."""


@dataclass(frozen=True)
class Progress:
    """What one look tells."""

    outcome: Outcome
    """Where it stands; what a watch reports if it ends now."""
    done: bool
    """Nothing comes by waiting: it is healthy, or somebody has to do something."""
    message: str = ""
    """The object's own last word: a condition's message."""
    object: Ref | None = None
    """Which object stands there."""

    @property
    def passed(self) -> bool:
        """Whether the next stage can be looked at."""
        return self.outcome is Outcome.HEALTHY


@dataclass(frozen=True)
class Step:
    """A change of the progress, as it is told while somebody waits."""

    seconds: float
    """Since the watch began."""
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a commit."""

    outcome: Outcome
    sha: str
    message: str = ""
    """The last condition's message of the object that decided."""
    object: Ref | None = None
    steps: tuple[Step, ...] = ()
    happenings: tuple[Happening, ...] = ()
    """Events of that object, oldest first; none if it is healthy."""
    notes: tuple[str, ...] = ()
    """What could not be asked or looked at, and what that means for the outcome."""
    ends: tuple[Progress, ...] = ()
    """Where each applier that was followed stands; the worst of them is the outcome."""
    timed_out: bool = False
    """The budget ended before the outcome was final."""
    seconds: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether it arrived."""
        return self.outcome is Outcome.HEALTHY
