"""Which commit a revision is, and where it stands to the one that is followed.

Owns: the four answers, asking each question until there is an answer, and never again.
Leaves to others: how a revision is spelt (`raibid.gitops.revisions`), how two commits are compared (a checkout), which
commits are reverts (`reverts.py`), what follows from the answer (`flux.py`, `argo.py`, `route.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from raibid.gitops.objects import Ref
from raibid.gitops.revisions import sha_of
from raibid.gitops.watch.reverts import Revert, Reverts, none_known, taken_back

Contains = Callable[[str, str], bool | None]
"""`contains(ancestor, descendant)`; None: cannot be known, for want of the repository."""

_SHORTEST: Final = 7
"""Digits of an abbreviated commit; git's own default."""
_WHOLE: Final = (40, 64)
"""Digits of a commit: an abbreviated one is compared, but no repository is asked about it."""


class Standing(StrEnum):
    """Where a revision stands to the followed commit."""

    WITH = "with"
    """It is that commit, or a later one that contains it."""
    BEFORE = "before"
    BESIDE = "beside"
    """On another line: the branch was rewritten, or follows something else."""
    UNKNOWN = "unknown"
    """Another commit; which comes first is not known."""


def same(one: str, other: str) -> bool:
    """Whether two commits are the same; either may be abbreviated."""
    short, long = sorted((one, other), key=len)
    return len(short) >= _SHORTEST and long.startswith(short)


def unknown(_ancestor: str, _descendant: str) -> None:
    """A `contains` without a repository."""


@dataclass
class Line:
    """The followed commit, and what is known about others. Asks only about others, and once if there is an answer."""

    sha: str
    contains: Contains = unknown
    reverts: Reverts = none_known
    unsure: set[str] = field(default_factory=set)
    """Commits about which nothing is known; asked about again, since a repository may be out of reach for a while."""
    _known: dict[str, Standing] = field(default_factory=dict)
    _reverts: dict[str, Sequence[Revert]] = field(default_factory=dict)

    def standing(self, revision: object) -> Standing | None:
        """Where a revision stands; None: it names no commit."""
        other = sha_of(revision)
        if not other:
            return None
        if self._known.get(other, Standing.UNKNOWN) is Standing.UNKNOWN:
            self._known[other] = self._compare(other)
            (self.unsure.add if self._known[other] is Standing.UNKNOWN else self.unsure.discard)(other)
        return self._known[other]

    def has(self, revision: object) -> bool:
        """Whether that revision contains the commit."""
        return self.standing(revision) is Standing.WITH

    def taken_back(self, revision: object, appliers: Sequence[Ref]) -> str:
        """The commit, up to that revision, which takes the followed one back for these appliers; empty: none."""
        other = sha_of(revision)
        if not other or same(self.sha, other) or not self.has(revision):
            return ""
        if other not in self._reverts:
            found = self.reverts(self.sha, other)
            if found is None:
                return ""
            self._reverts[other] = found
        return taken_back(self._reverts[other], frozenset(f"{ref.namespace}/{ref.name}" for ref in appliers))

    def _compare(self, other: str) -> Standing:
        if same(self.sha, other):
            return Standing.WITH
        if len(self.sha) not in _WHOLE:
            return Standing.UNKNOWN
        later = self.contains(self.sha, other)
        if later:
            return Standing.WITH
        earlier = self.contains(other, self.sha)
        if earlier:
            return Standing.BEFORE
        if later is None or earlier is None:
            return Standing.UNKNOWN
        return Standing.BESIDE
