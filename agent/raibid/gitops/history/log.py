"""Who changed what, when it landed, what became of it: Git's log, Flux' history and events as one list. Pure.

Owns: which landing belongs to which commit, and the states' names.
Leaves to others: reading all three (`gather.py`), showing the list.

Flux keeps five entries per object, one for each set of manifests that it built, with the newest revision that built it
(fluxcd/pkg, apis/meta/history.go). So an entry tells when its manifests first landed, and of an older commit only that
it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from raibid.gitops.change import trailers
from raibid.gitops.change.message import trailers_of
from raibid.gitops.cluster import Happening
from raibid.gitops.objects import moment
from raibid.gitops.revisions import full_shas
from raibid.gitops.rollback.commits import Commit


class State(StrEnum):
    """What became of a commit with one applier."""

    LANDED = "landed"
    FAILING = "failing"
    """Tried, and not applied."""
    TRYING = "trying"
    PENDING = "pending"
    """Not tried yet."""
    REVERTED = "reverted"
    SUPERSEDED = "superseded"
    """It failed, and a later commit took its place."""
    ELSEWHERE = "elsewhere"
    """No applier that we see reads what it changed."""


@dataclass(frozen=True)
class Reconciled:
    """An entry of an applier's history."""

    revision: str
    """The newest commit that built these manifests."""
    succeeded: bool
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, kw_only=True)
class Applier:
    """What one applier says."""

    name: str
    files: frozenset[str]
    """What it reads."""
    applied: str = ""
    attempted: str = ""
    ready: str = "Unknown"
    message: str = ""
    history: tuple[Reconciled, ...] = ()
    happenings: tuple[Happening, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Landing:
    """What one applier made of a commit."""

    applier: str
    state: State
    at: datetime | None = None
    """When it was applied; None: not, or Flux does not remember."""
    exact: bool = True
    """Not: it was applied at that time at the latest."""
    by: str = ""
    """The commit that superseded it."""
    message: str = ""
    """The applier's last word about it, if it failed."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One commit."""

    at: datetime
    commit: str
    who: str
    what: str
    why: str
    objects: tuple[str, ...]
    state: State
    landed: datetime | None
    """When the last of its appliers had it."""
    after: timedelta | None
    """How long after the commit."""
    by: str
    """The commit that took it back, or superseded it."""
    reverts: tuple[str, ...]
    rollback: tuple[str, ...]
    """The appliers on whose behalf it takes commits back."""
    message: str
    landings: tuple[Landing, ...]


# git's own words, for reverts that nobody asked us for.
_REVERTS: Final = re.compile(r"This reverts commit ([0-9a-f]+)")
_WORST: Final = (State.FAILING, State.PENDING, State.TRYING, State.SUPERSEDED, State.LANDED)


def log(commits: Sequence[Commit], appliers: Sequence[Applier]) -> list[Row]:
    """A row per commit, as they come: newest first."""
    order = {commit.sha: number for number, commit in enumerate(commits)}
    reverts = {commit.sha: _reverts(commit) for commit in commits}
    # The oldest one counts: what is reverted twice was back in between.
    reverted = {taken: sha for sha, several in reverts.items() for taken in several if taken in order}
    rows = []
    for number, commit in enumerate(commits):
        landings = tuple(
            _landing(commits, number, order, applier)
            for applier in appliers
            if not applier.files.isdisjoint(commit.files)
        )
        rows.append(_row(commit, landings, reverted.get(commit.sha, ""), reverts[commit.sha]))
    return rows


def _row(commit: Commit, landings: tuple[Landing, ...], reverted: str, reverts: tuple[str, ...]) -> Row:
    said = trailers_of(commit.message)
    worst = next((one for state in _WORST for one in landings if one.state is state), None)
    times = [one.at for one in landings if one.at and one.exact]
    landed = max(times) if len(times) == len(landings) and times else None
    return Row(
        at=commit.at,
        commit=commit.sha,
        who=next(iter(said.get(trailers.BY, ())), commit.author),
        what=commit.subject,
        why=next(iter(said.get(trailers.REASON, ())), ""),
        objects=said.get(trailers.OBJECT, ()),
        state=State.REVERTED if reverted else worst.state if worst else State.ELSEWHERE,
        landed=landed,
        after=max(landed - commit.at, timedelta(0)) if landed else None,
        by=reverted or (worst.by if worst else ""),
        reverts=reverts,
        rollback=said.get(trailers.ROLLBACK, ()),
        message=next((one.message for one in landings if one.message), ""),
        landings=landings,
    )


def _reverts(commit: Commit) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*commit.takes_back, *full_shas(_REVERTS.findall(commit.message)))))


def _landing(commits: Sequence[Commit], number: int, order: Mapping[str, int], applier: Applier) -> Landing:
    """Numbers count from the newest commit: what contains this one has a smaller number, or the same."""
    commit = commits[number]
    successor = next((later for later in reversed(commits[:number]) if not applier.files.isdisjoint(later.files)), None)
    since = order[successor.sha] if successor else -1
    has = [entry for entry in applier.history if order.get(entry.revision, number + 1) <= number]
    own = [entry for entry in has if order[entry.revision] > since]
    applied, attempted = (order.get(sha, number + 1) <= number for sha in (applier.applied, applier.attempted))
    if successor and (applied or attempted) and not any(entry.succeeded for entry in own):
        message = _heard(applier, commit, successor)
        if own or message:  # a build that failed left no entry, but a word
            return Landing(applier=applier.name, state=State.SUPERSEDED, by=successor.sha, message=message)
    if applied:
        at, exact = _time(has, commit)
        return Landing(applier=applier.name, state=State.LANDED, at=at, exact=exact)
    if not attempted:
        return Landing(applier=applier.name, state=State.PENDING)
    state = State.FAILING if applier.ready == "False" else State.TRYING
    return Landing(applier=applier.name, state=state, message=applier.message if state is State.FAILING else "")


def _time(has: Sequence[Reconciled], commit: Commit) -> tuple[datetime | None, bool]:
    """When a commit landed: the first success of what contains it. Not later than the last one, if it came back to
    manifests that had landed before."""
    firsts = [entry.first for entry in has if entry.succeeded and entry.first and entry.first >= commit.at]
    if firsts:
        return min(firsts), True
    lasts = [entry.last for entry in has if entry.succeeded and entry.last and entry.last >= commit.at]
    return (min(lasts), False) if lasts else (None, True)


def _heard(applier: Applier, commit: Commit, successor: Commit) -> str:
    """The last warning between a commit and the next one."""
    return next(reversed(list(_warnings(applier.happenings, commit.at, successor.at))), "")


def _warnings(happenings: Sequence[Happening], begin: datetime, end: datetime) -> Iterator[str]:
    for happening in happenings:
        at = moment(happening.at)
        if happening.type == "Warning" and at and begin <= at < end:
            yield f"{happening.reason}: {happening.message}"
