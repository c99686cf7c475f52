"""An Application's status, read for one commit.

Owns: which of its sources count, what its sync operation was about, its conditions, what differs, what failed.
Leaves to others: what that means for the commit (`argo.py`), which commits a revision contains (`revisions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from raibid.gitops.objects import Manifest, mapping, mappings, moment, spec_of, status_of, text
from raibid.gitops.owner.argo import is_suspended
from raibid.gitops.owner.argo_sources import branch, revisions, specs
from raibid.gitops.watch.revisions import Line, Standing

COMPARISON_ERROR: Final = "ComparisonError"
SYNC_ERROR: Final = "SyncError"
SPEC_ERRORS: Final = ("InvalidSpecError", "UnknownError")
"""While one of these is there Argo CD mostly compares nothing: it sets no revision and no `reconciledAt`. Where it has
compared all the same (an UnknownError of a server-side diff, `Namespace … is missing`), it is a failure as well."""
_NOT_REACHED: Final = re.compile(
    r"code = (?:Unavailable|DeadlineExceeded|Canceled)\b|`git fetch|failed to (?:fetch|list refs)|connection refused"
    r"|authentication (?:required|failed)|i/o timeout|no such host",
    re.IGNORECASE,
)
"""In a ComparisonError: the repository server, or the forge, did not answer. It says nothing about the commit."""

_BROKEN: Final = ("SyncFailed", "Failed", "Error")
_SHOWN: Final = 3
"""Objects that a message names."""


@dataclass(frozen=True)
class Said:
    """A condition. Argo CD's have no status: one that is there is true."""

    message: str
    since: datetime | None

    @property
    def not_reached(self) -> bool:
        """Whether something did not answer, so that nothing is known about the commit."""
        return bool(_NOT_REACHED.search(self.message))


@dataclass(frozen=True)
class Look:
    """The status of one Application, as far as it is about one commit."""

    application: Manifest
    line: Line
    indices: tuple[int, ...]
    """Which of its sources the commit is in."""

    @property
    def sync(self) -> Manifest:
        """How Git and the cluster compare."""
        return mapping(status_of(self.application).get("sync"))

    @property
    def operation(self) -> Manifest:
        """The sync that runs, or the last one."""
        return mapping(status_of(self.application).get("operationState"))

    @property
    def phase(self) -> str:
        """Running, Terminating, Succeeded, Failed or Error; empty: it has never been synced."""
        return text(self.operation.get("phase"))

    @property
    def health(self) -> Manifest:
        """Its own judgement of all its objects."""
        return mapping(status_of(self.application).get("health"))

    @property
    def compared(self) -> list[str]:
        """The revisions, of the sources that count, that were compared with the cluster."""
        return self._of_ours(self.sync)

    @property
    def standings(self) -> list[Standing | None]:
        """Where they stand to the commit."""
        return [self.line.standing(revision) for revision in self.compared]

    @property
    def is_ours(self) -> bool:
        """Whether the operation is a sync to revisions that contain the commit."""
        asked = mapping(mapping(self.operation.get("operation")).get("sync"))
        for said in (mapping(self.operation.get("syncResult")), asked):
            found = self._of_ours(said)
            if any(found):
                return all(self.line.has(revision) for revision in found)
        return False

    @property
    def prunes(self) -> bool:
        """Whether it removes by itself what is no longer in Git."""
        automated = mapping(mapping(spec_of(self.application).get("syncPolicy")).get("automated"))
        return automated.get("prune") is True and not is_suspended(self.application)

    def condition(self, *types: str) -> Said | None:
        """The first condition of these types."""
        for item in mappings(status_of(self.application).get("conditions")):
            if text(item.get("type")) in types:
                return Said(text(item.get("message")), moment(item.get("lastTransitionTime")))
        return None

    def reconciled_since(self, time: datetime | None) -> bool:
        """Whether it was compared at that time or later; Argo CD writes whole seconds."""
        reconciled = moment(status_of(self.application).get("reconciledAt"))
        return reconciled is not None and (time is None or reconciled >= time.replace(microsecond=0))

    def differing(self, *, pruned: bool) -> str:
        """Objects that are not as Git says: to be removed, or to be applied."""
        return _listed(
            f"{text(item.get('kind'))}/{text(item.get('name'))}"
            for item in mappings(status_of(self.application).get("resources"))
            if text(item.get("status")) == "OutOfSync" and (item.get("requiresPruning") is True) is pruned
        )

    def failures(self) -> str:
        """What the operation says about the objects that failed: its own message is only a count of them."""
        return _listed(
            f"{text(item.get('kind'))}/{text(item.get('name'))}: {text(item.get('message'))}"
            for item in mappings(mapping(self.operation.get("syncResult")).get("resources"))
            if text(item.get("status")) in _BROKEN or text(item.get("hookPhase")) in _BROKEN
        )

    def _of_ours(self, said: Manifest) -> list[str]:
        count = max(1, len(specs(self.application)))
        found = revisions(said, count)
        return [found[index] for index in self.indices if index < count]


@dataclass(frozen=True)
class OfItself(Look):
    """For a commit that brings the Application's own manifest: its sources count, whatever their revisions."""

    @property
    def is_new(self) -> bool:
        """Whether the sources are others than those that were compared: Argo CD has not seen the manifest yet."""
        return self._sources(self.sync.get("comparedTo")) != self._sources(spec_of(self.application))

    @property
    def is_ours(self) -> bool:
        """Whether the operation is a sync of the sources as they are now."""
        return self._sources(self.operation.get("syncResult")) == self._sources(spec_of(self.application))

    def _sources(self, said: object) -> object:
        """Without what is empty, which Argo CD leaves out."""
        found = specs({"spec": said})
        return _bare(found if isinstance(mapping(said).get("sources"), list) else found[:1])


def _bare(value: object) -> object:
    if isinstance(value, dict):
        return {key: bare for key, item in value.items() if (bare := _bare(item)) not in ("", None, {}, [], False)}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def sources_of(application: Manifest, repository: str, pushed: str, line: Line) -> tuple[int, ...]:
    """Which sources read that branch of that repository.

    Without a repository, or if none is known by it: those that read the same as one that has the commit. No commit is
    ever in all the repositories of an Application. Until one has it, all that read Git count.
    """
    found = specs(application)
    named = _reading(found, repository, pushed) if repository else ()
    if named:
        return named
    compared = revisions(mapping(status_of(application).get("sync")), len(found))
    in_git = [number for number, source in enumerate(found) if not text(source.get("chart"))]
    for source, revision in [(found[number], compared[number]) for number in in_git]:
        if line.has(revision):
            return _reading(found, text(source.get("repoURL")), branch(text(source.get("targetRevision"))))
    return tuple(in_git) or tuple(range(max(1, len(found))))


def _reading(found: Sequence[Manifest], repository: str, pushed: str) -> tuple[int, ...]:
    """The sources of that repository: of that branch, if there are any."""
    same = tuple(number for number, source in enumerate(found) if _same_url(source.get("repoURL"), repository))
    return tuple(n for n in same if branch(text(found[n].get("targetRevision"))) == pushed) or same


def _same_url(one: object, other: str) -> bool:
    """As Argo CD normalises: without `.git`, the case of letters, a slash at the end."""
    first, second = (value.lower().rstrip("/").removesuffix(".git") for value in (text(one), other))
    return first == second


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    rest = len(found) - _SHOWN
    return ", ".join((*found[:_SHOWN], *([f"and {rest} more"] if rest > 0 else ())))
