"""How far our reverts are: the rollbacks of a branch's last hour, each with what Flux has made of it.

Owns: reading them from Git and the cluster, so that nobody has to remember them.
Leaves to others: how far a commit is (`raibid.gitops.watch`), telling it (`records.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from raibid.gitops.change import trailers
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.message import trailers_of
from raibid.gitops.objects import Manifest, Ref, status_of, text
from raibid.gitops.rollback.decide import PAUSE
from raibid.gitops.rollback.past import taken_back
from raibid.gitops.watch.flux import Facts, progress
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Contains, Line, unknown


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """A commit that takes others back, as its trailers tell."""

    about: str
    """`namespace/name`."""
    sha: str
    at: datetime
    good: str
    """Empty if nobody says."""
    reverted: tuple[str, ...]
    """Newest first; whole commit ids, whatever the trailers hold."""
    reason: str


def rollbacks(checkout: Checkout, now: datetime) -> Iterator[Rollback]:
    """Those of the last hour on this branch, newest first. Raises GitError."""
    for taken in taken_back(checkout, after=now - PAUSE, now=now):
        commit = taken.commit
        for about in commit.takes_back_for:
            yield Rollback(
                about=about,
                sha=commit.sha,
                at=taken.at,
                good=commit.known_good,
                reverted=commit.takes_back,
                reason=next(iter(trailers_of(commit.message).get(trailers.REASON, ())), commit.subject),
            )


def progress_of(manifest: Manifest, about: Ref, rollback: Rollback, contains: Contains = unknown) -> Progress:
    """How far an applier is with it: healthy from the moment at which it, or what came after it, has passed."""
    line = Line(rollback.sha, contains)
    if line.has(text(status_of(manifest).get("lastAppliedRevision"))):
        return Progress(Outcome.HEALTHY, True, "applied, and ready", about)
    return progress(Facts(line=line, applier_ref=about, applier=manifest))
