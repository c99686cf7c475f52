"""Where one applier, one object's wished values, or the probes stand, and how long they have stood there.

Owns: news, and the seconds at each object.
Leaves to others: how many there may be (`budget.py`), what comes first (`walk.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from raibid.gitops.objects import Ref
from raibid.gitops.watch.outcome import Progress
from raibid.gitops.watch.route import Route


@dataclass
class Track:
    """What is followed; without a route: a stage after all routes."""

    route: Route | None = None
    progress: Progress | None = None
    since: float = 0.0
    spent: dict[Ref | None, float] = field(default_factory=dict)
    """Seconds at each object. Added up: an applier that looks again every minute is not new each time."""

    def stand(self, progress: Progress, now: float) -> bool:
        """Note where it stands; whether that is news."""
        if self.progress is not None:
            about = self.progress.object
            self.spent[about] = self.spent.get(about, 0.0) + now - self.since
        news, self.progress, self.since = progress != self.progress, progress, now
        return news

    def at(self, about: Ref | None, now: float) -> float:
        """Seconds at the object where it stands."""
        return self.spent.get(about, 0.0) + now - self.since

    @property
    def passed(self) -> bool:
        """Whether nothing of it is left."""
        return self.progress is not None and self.progress.passed
