"""How far our reverts are: the rollbacks of a branch's last hour, each with what Flux has made of it.

Owns: reading them from Git and the cluster, so that nobody has to remember them.
Leaves to others: how far a commit is (`raibid.gitops.watch`), telling it (`records.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from raibid.gitops.change import trailers
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.message import trailers_of
from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.owner.world import World
from raibid.gitops.rollback.commits import since
from raibid.gitops.rollback.decide import PAUSE
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Contains, Line, unknown
from raibid.gitops.watch.route import Flux


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """A commit that takes others back, as its trailers tell."""

    about: str
    """`namespace/name`."""
    sha: str
    at: datetime
    good: str
    reverted: tuple[str, ...]
    """Newest first."""
    reason: str


def rollbacks(checkout: Checkout, now: datetime) -> Iterator[Rollback]:
    """Those of the last hour on this branch, newest first. Raises GitError."""
    for commit in since(checkout, now - PAUSE):
        found = trailers_of(commit.message)
        for about in commit.takes_back_for:
            yield Rollback(
                about=about,
                sha=commit.sha,
                at=commit.at,
                good=next(iter(found.get(trailers.KNOWN_GOOD, ())), ""),
                reverted=found.get(trailers.REVERTS, ()),
                reason=next(iter(found.get(trailers.REASON, ())), commit.subject),
            )


def progress_of(cluster: Cluster, about: Ref, sha: str, contains: Contains = unknown) -> Progress:
    """How far one applier is with a commit, now. Raises KubeError."""
    return Flux(sight=_Now(World(cluster)), line=Line(sha, contains)).applied(about)


def settled(progress: Progress) -> bool:
    """Whether there is nothing to wait for: it is healthy, or has failed for good."""
    return progress.passed or (progress.done and progress.outcome in (Outcome.FAILING, Outcome.NOT_HEALTHY))


@dataclass(frozen=True)
class _Now:
    """Objects as they are at this moment."""

    world: World

    def get(self, ref: Ref) -> Manifest | None:
        return self.world.get(ref)

    def all(self, group: str, kind: str) -> Sequence[Manifest]:
        return [*self.world.all(group, kind).values()]
