"""What is told about a failing commit, and where: the issue, commit statuses, a Kubernetes Event. Pure.

Owns: the words, and by what each record is found again.
Leaves to others: writing them (`recorder.py`), when (`controller.py`).

Each is found again by what it is about, never by a number that somebody has to keep: a controller that was killed
before it had told everything tells it all again, and nothing is there twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from raibid.forge.commit_status import CommitState, CommitStatus
from raibid.gitops.cluster import Happening
from raibid.gitops.objects import Ref

SOURCE: Final = "raibid-rollback"
_SHOWN: Final = 12
_STATUS: Final = 140
"""GitHub refuses longer descriptions."""
_NOTE: Final = 1000
"""The API server refuses an Event whose message has more than 1,024 characters."""
_EVENTS: Final = ("<!-- events -->", "<!-- /events -->")
_MOST_EVENTS: Final = 10
_FENCE: Final = re.compile(r"`{3,}")


class Stage(StrEnum):
    """Where it stands."""

    REVERTED = "reverted"
    """The revert is on the branch; Flux has not applied it."""
    HEALTHY = "healthy"
    """The revert was applied, and everything is ready."""
    PROPOSED = "proposed"
    """A pull request waits for somebody."""
    STOPPED = "stopped"
    """Nothing is done any more without a person."""


@dataclass(frozen=True, kw_only=True)
class Affair:
    """A failing commit, and what became of it."""

    about: Ref
    api_version: str
    uid: str
    """So that `kubectl describe` shows the Event."""
    stage: Stage
    bad: str
    """The commit that fails, or failed."""
    good: str
    reason: str
    """The failure in Flux's words; as our commit keeps them, once the cluster has forgotten."""
    reverted: tuple[str, ...] = ()
    revert: str = ""
    """Our commit."""
    pull: str = ""
    """The page of the pull request."""
    word: str = ""
    """Why it stopped."""
    happenings: Sequence[Happening] = ()

    @property
    def name(self) -> str:
        """As trailers and people call it."""
        return f"{self.about.namespace}/{self.about.name}"

    @property
    def key(self) -> tuple[Ref, str, str, Stage]:
        """What one record is about."""
        return (self.about, self.bad, self.revert or self.pull, self.stage)


def marker(affair: Affair) -> str:
    """What the issue is found by: one per object and failing commit."""
    return f"<!-- raibid-rollback {affair.about.kind} {affair.name} {affair.bad} -->"


def title(affair: Affair) -> str:
    """The issue's title."""
    begins = {
        Stage.STOPPED: "Rollback stopped",
        Stage.PROPOSED: "Rollback proposed",
    }.get(affair.stage, "Rolled back")
    return f"{begins}: {affair.about.kind} {affair.name} at {affair.bad[:_SHOWN]}"


def body(affair: Affair, before: str = "") -> str:
    """The issue's text. `before`: what it says now; the events in it stay when the cluster has no newer ones."""
    lines = [_standing(affair), "", "| | |", "|---|---|", f"| fails | {affair.about.kind} `{affair.name}` |"]
    rows: Mapping[str, str] = {
        "failing commit": affair.bad,
        "known good": affair.good,
        "taken back": ", ".join(affair.reverted),
        "revert": affair.revert,
        "pull request": affair.pull,
    }
    lines += [f"| {name} | {value} |" for name, value in rows.items() if value]
    lines += ["", "Flux said:", "", *_fenced(affair.reason)]
    if affair.word:
        lines += ["", "And then:", "", *_fenced(affair.word)]
    told = [f"{item.at} {item.type} {item.reason}: {item.message}" for item in affair.happenings][-_MOST_EVENTS:]
    events = "\n".join(["Events:", "", *_fenced("\n".join(told))]) if told else _kept(before)
    return "\n".join([*lines, "", _EVENTS[0], events, _EVENTS[1]])


def _standing(affair: Affair) -> str:
    match affair.stage:
        case Stage.REVERTED:
            return "The commit was taken back; Flux has not applied the revert yet."
        case Stage.HEALTHY:
            return (
                "The commit was taken back, and what ran before runs again. The change itself is not in: push it again "
                "once it is mended, then close this issue."
            )
        case Stage.PROPOSED:
            return (
                "Taking the commit back is right, but somebody must look at it first: merge the pull request, or not."
            )
        case Stage.STOPPED if affair.revert:
            return "The commit was taken back, **and it still fails**. Nothing more is done without you."
        case Stage.STOPPED:
            return "**The commit was not taken back.** Nothing more is done without you."


def statuses(affair: Affair) -> list[tuple[str, CommitStatus]]:
    """Commit statuses: of the failing commit, and of the revert once it is known how it ended."""
    context = f"{SOURCE}/{affair.about.kind.lower()}/{affair.name}"

    def status(state: CommitState, said: str) -> CommitStatus:
        return CommitStatus(state=state, context=context, description=said[:_STATUS], target_url=affair.pull)

    found = [(affair.bad, status(CommitState.FAILURE, " ".join(affair.reason.split())))]
    match affair.stage:
        case Stage.REVERTED:
            found.append((affair.revert, status(CommitState.PENDING, "Flux has not applied it yet")))
        case Stage.HEALTHY:
            found.append((affair.revert, status(CommitState.SUCCESS, "applied, and ready")))
        case Stage.STOPPED if affair.revert:
            found.append((affair.revert, status(CommitState.FAILURE, " ".join(affair.word.split()))))
    return found


_EVENT: Final[Mapping[Stage, tuple[str, str]]] = {
    Stage.REVERTED: ("Normal", "RolledBack"),
    Stage.HEALTHY: ("Normal", "RollbackSucceeded"),
    Stage.PROPOSED: ("Warning", "RollbackProposed"),
    Stage.STOPPED: ("Warning", "RollbackStopped"),
}


def event(affair: Affair, now: datetime) -> dict[str, Any]:
    """A Kubernetes Event; its name follows from what it is about, so that there is one."""
    kind, reason = _EVENT[affair.stage]
    digest = hashlib.sha256("\0".join(map(str, affair.key)).encode()).hexdigest()[:16]
    about, at = affair.about, now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about.name[:200]}.{digest}", "namespace": about.namespace},
        "involvedObject": {
            "apiVersion": affair.api_version,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            **({"uid": affair.uid} if affair.uid else {}),
        },
        "type": kind,
        "reason": reason,
        "message": _sentence(affair)[:_NOTE],
        "source": {"component": SOURCE},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def _sentence(affair: Affair) -> str:
    bad, good, revert = (sha[:_SHOWN] for sha in (affair.bad, affair.good, affair.revert))
    match affair.stage:
        case Stage.REVERTED:
            return f"{bad} is taken back to {good} by {revert}: {affair.reason}"
        case Stage.HEALTHY:
            return f"{revert} is applied: {bad} is taken back"
        case Stage.PROPOSED:
            return f"{bad} should be taken back to {good}: {affair.pull or affair.word}"
        case Stage.STOPPED if affair.revert:
            return f"{revert} took {bad} back, and it still fails: {affair.word}"
        case Stage.STOPPED:
            return f"{bad} fails and is not taken back: {affair.word}"


def _fenced(text: str) -> list[str]:
    """Strangers' words, as they are: no mark-up of theirs counts."""
    longest = max((len(run) for run in _FENCE.findall(text)), default=2)
    # Neither may they pose as the end of the events.
    inner = text.replace("<!--", "<! --").strip()
    return ["`" * (longest + 1), inner or "(nothing)", "`" * (longest + 1)]


def _kept(before: str) -> str:
    found = before.partition(_EVENTS[0])[2].partition(_EVENTS[1])[0].strip()
    return found or "No events are known."
