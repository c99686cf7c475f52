"""Which later commits take a commit back: what `contains` cannot tell, since a revert contains what it reverts.

Owns: reading `Reverts:` and git's own `This reverts commit …`, reverts of reverts, reverts of the merge that brought
it. Pure.
Leaves to others: git (`lineage.py`), what follows from it (`route.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from raibid.gitops.change import trailers
from raibid.gitops.change.message import trailers_of

_GITS: Final = re.compile(r"\bThis reverts commit ([0-9a-f]{7,64})\b")
"""git's own words; it abbreviates the commit with `revert.reference`."""
_SHA: Final = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Change:
    """A commit of the line from the followed one to a later one."""

    sha: str
    parents: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Revert:
    """A commit that takes the followed one back."""

    sha: str
    about: frozenset[str] = frozenset()
    """The appliers, as `namespace/name`, whose files it changes, as a rollback does; empty: all of them."""
    there: bool = False
    """It is the revert of a revert: the followed one is there again."""


Reverts = Callable[[str, str], Sequence[Revert] | None]
"""`reverts(commit, revision)`: those up to that revision, newest first; None: cannot be known now."""


def none_known(_commit: str, _revision: str) -> Sequence[Revert]:
    """A `Reverts` without a repository."""
    return ()


def reverts_of(sha: str, line: Sequence[Change]) -> list[Revert]:
    """Those of `sha`, newest first. `line`: every commit between it and the revision, descendants before ancestors."""
    path = {sha, *(change.sha for change in line)}
    brought = [Revert(change.sha, there=True) for change in line if _brings(change, path)]
    known = [Revert(sha, there=True), *brought]
    found: list[Revert] = []
    for change in reversed(line):
        named = _taken_back(change.message)
        # Of several it is the oldest: all is as it was before that one.
        target = next((other for other in (*known, *found) if _among(other.sha, named)), None)
        if target is not None:
            about = frozenset(trailers_of(change.message).get(trailers.ROLLBACK, ()))
            found.append(Revert(change.sha, about or target.about, there=not target.there))
    return found[::-1]


def taken_back(found: Sequence[Revert], appliers: frozenset[str]) -> str:
    """The commit that has taken it back for one of these appliers; empty: none, or it is there again."""
    newest = next((revert for revert in found if not revert.about or revert.about & appliers), None)
    return "" if newest is None or newest.there else newest.sha


def _taken_back(message: str) -> set[str]:
    named = (value.lower() for value in trailers_of(message).get(trailers.REVERTS, ()))
    return {*_GITS.findall(message), *(value for value in named if _SHA.fullmatch(value))}


def _brings(merge: Change, path: set[str]) -> bool:
    """Whether the followed commit came into the branch by this merge: it is not in the first parent's past."""
    return len(merge.parents) > 1 and merge.parents[0] not in path


def _among(sha: str, named: set[str]) -> bool:
    return any(sha.startswith(name) for name in named)
