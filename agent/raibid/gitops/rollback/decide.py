"""Whether a failing applier is to be taken back to its last good commit: one pure function over facts.

Owns: the decision table, in the order in which its rows are asked.
Leaves to others: the facts (`facts.py`), doing it (`revert.py`, `controller.py`).

In doubt nothing is reverted: a rollback that is not made costs an alert, a wrong one costs somebody's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from raibid.gitops.objects import Condition, Ref
from raibid.gitops.rollback.blame import FAILED, helm_only, outside, reason_outside


class Kind(StrEnum):
    """What is to be done."""

    ROLL_BACK = "roll back"
    PULL_REQUEST = "pull request"
    """The revert is right, but somebody must look at it first."""
    WAIT = "wait"
    """Too early to say: something is under way, or was tried only once."""
    NEVER = "never"
    """Reverting would not help, or nothing is wrong."""
    STOP = "stop"
    """Reverting did not help, or was done too often: an issue, and a critical alert."""


@dataclass(frozen=True)
class Decision:
    """The answer, and why."""

    kind: Kind
    reason: str
    good: str = ""
    """The commit to go back to; with ROLL_BACK, PULL_REQUEST and STOP."""
    bad: str = ""
    """The commit that fails."""
    ask_again: bool = False
    """With WAIT: let Flux try once more now, and not at its next interval; the second failure decides."""


@dataclass(frozen=True)
class Suspect:
    """A commit after the known-good one that touched what the applier reads."""

    sha: str
    takes_back_for: tuple[str, ...] = ()
    """The appliers, as `namespace/name`, on whose behalf it, or what it merged, takes commits back."""
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Branch:
    """What Git says about the failing commit."""

    head: str
    """The branch's newest commit."""
    good_is_ancestor: bool
    """Whether the known-good commit is in the failing one's history; not so after a forced push."""
    suspects: tuple[Suspect, ...] = ()
    """Newest first."""
    last_rollback: datetime | None = None
    """When the path was last taken back; by the trailers, so that a restart forgets nothing."""
    exclusions: tuple[str, ...] = ()
    """Why the revert must be looked at first (`exclusions.py`)."""
    outside: tuple[str, ...] = ()
    """What else changed that it is built by, and that no revert of its files brings back (`inputs.py`)."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known about one Kustomization or HelmRelease."""

    about: Ref
    suspended: bool = False
    deleting: bool = False
    ready: Condition | None = None
    stalled: Condition | None = None
    reconciling: Condition | None = None
    remediated: Condition | None = None
    """HelmRelease: what Helm itself did about a failure."""
    source_trouble: str = ""
    """Why the source has nothing newer to offer: suspended, unreachable. Empty: all is well."""
    unready_dependencies: tuple[str, ...] = ()
    fetched: str = ""
    """The commit that the source offers."""
    attempted: str = ""
    """The commit that was tried last."""
    applied: str = ""
    """The commit that passed last: the known-good one."""
    attempts: int = 0
    """How often the attempted commit failed, as far as it is known."""
    began: datetime | None = None
    """When its first attempt began."""
    timeout: timedelta = timedelta(minutes=5)
    """What the object gives one attempt."""
    failed_at_good: bool = False
    """The known-good commit itself failed after it had passed."""
    worked: datetime | None = None
    """HelmRelease: when the release that worked last, before the one that failed, was deployed; None: none ever did."""
    same_build: bool = False
    """The failing commit builds the very manifests that passed before."""
    branch: Branch | None = None
    """None: nobody has looked yet."""

    @property
    def name(self) -> str:
        """As trailers have it."""
        return f"{self.about.namespace}/{self.about.name}"


ATTEMPTS: Final = 2
"""Failed attempts that count as a failure: one may be an image that was pulled slowly."""
PAUSE: Final = timedelta(hours=1)
"""One automatic rollback of a path in this time."""


def worth_looking(facts: Facts, *, now: datetime) -> bool:
    """Whether the objects leave the decision to Git: only then a clone is worth its while."""
    return _by_objects(facts, now) is None


def decide(facts: Facts, *, now: datetime) -> Decision:
    """What to do about an object. Total: whatever the facts, there is an answer."""
    return _by_objects(facts, now) or _by_branch(facts, now)


def _by_objects(facts: Facts, now: datetime) -> Decision | None:
    if facts.deleting:
        return Decision(Kind.NEVER, "it is being deleted")
    if facts.suspended:
        return Decision(Kind.NEVER, "it is suspended: somebody is at work on it")
    if facts.about.kind == "HelmRelease":
        return _helm(facts)
    ready = facts.ready
    if ready is not None and ready.status == "True":
        return Decision(Kind.NEVER, "it is ready")
    if ready is None or ready.status != "False" or _says(facts.reconciling, "Progressing"):
        return Decision(Kind.WAIT, "an attempt is under way")
    return _not_the_commit(facts, ready) or _not_comparable(facts) or _too_early(facts, now)


def _not_the_commit(facts: Facts, ready: Condition) -> Decision | None:
    """Failures that no revert ends."""
    if why := reason_outside(ready.reason):
        return Decision(Kind.NEVER, why)
    if ready.reason not in FAILED:
        return Decision(Kind.NEVER, f"{ready.reason or 'no reason given'}: not known to come from a commit")
    if facts.source_trouble:
        return Decision(Kind.NEVER, f"its source: {facts.source_trouble}")
    if facts.unready_dependencies:
        return Decision(Kind.NEVER, f"it depends on {', '.join(facts.unready_dependencies)}, which is not ready")
    if why := outside(ready):
        return Decision(Kind.NEVER, why)
    return None


def _not_comparable(facts: Facts) -> Decision | None:
    """There is no good commit, or no bad one."""
    good, bad = facts.applied, facts.attempted
    if not good:
        return Decision(Kind.NEVER, "no commit has passed yet: there is nothing to go back to", bad=bad)
    if not bad:
        return Decision(Kind.NEVER, "no commit was attempted", good)
    if good == bad or facts.failed_at_good:
        return Decision(Kind.NEVER, "it fails at the commit that passed before: something else has changed", good, bad)
    if facts.same_build:
        return Decision(Kind.NEVER, "the commit builds the same manifests that passed before", good, bad)
    return None


def _too_early(facts: Facts, now: datetime) -> Decision | None:
    good, bad = facts.applied, facts.attempted
    newer = _too_new(facts)
    if newer:
        return newer
    if facts.attempts >= ATTEMPTS or (facts.began is not None and now - facts.began >= facts.timeout):
        return None
    return Decision(Kind.WAIT, "it failed once, and its timeout has not passed", good, bad, ask_again=True)


def _too_new(facts: Facts) -> Decision | None:
    if facts.fetched and facts.fetched != facts.attempted:
        return Decision(Kind.WAIT, "a newer commit was fetched and not tried yet", facts.applied, facts.attempted)
    return None


def _helm(facts: Facts) -> Decision | None:
    """Helm goes back by itself, and then Git says what the cluster has not: a person's to decide."""
    ready, remediated, stalled = facts.ready, facts.remediated, facts.stalled
    if ready is not None and ready.status == "True":
        return Decision(Kind.NEVER, "it is ready")
    if ready is not None and (why := reason_outside(ready.reason)):
        return Decision(Kind.NEVER, why)
    if facts.source_trouble:
        return Decision(Kind.NEVER, f"its source: {facts.source_trouble}")
    if _says(facts.reconciling, "Progressing") or _says(facts.reconciling, "ProgressingWithRetry"):
        return Decision(Kind.WAIT, "Helm is not done with it")
    if _says(remediated, "RollbackSucceeded") or _says(stalled, "RetriesExceeded"):
        if facts.worked is None:
            return Decision(Kind.NEVER, "no release of it has ever worked: there is nothing to go back to")
        return _too_new(facts)
    if stalled is not None and stalled.status == "True":
        return Decision(Kind.NEVER, f"{stalled.reason}: {stalled.message[:200]}")
    return Decision(Kind.WAIT, "Helm has not gone back, and has not given up")


def _says(condition: Condition | None, reason: str) -> bool:
    return condition is not None and (condition.status, condition.reason) == ("True", reason)


def _by_branch(facts: Facts, now: datetime) -> Decision:
    """What Git has to say when the objects do not object."""
    branch, good, bad = facts.branch, facts.applied, facts.attempted
    if branch is None:
        return Decision(Kind.WAIT, "nobody has looked at the branch yet", good, bad)
    if branch.head != bad:
        return Decision(Kind.WAIT, "a newer commit is on its way", good, bad)
    if not good:
        return Decision(Kind.NEVER, "it has been so since the branch began: there is nothing to go back to", bad=bad)
    if not branch.good_is_ancestor:
        return Decision(Kind.NEVER, "the good commit is not in the branch's history: it was forced", good, bad)
    if not branch.suspects and not branch.outside:
        return Decision(Kind.NEVER, "no commit since the good one touched what it applies", good, bad)
    if unchanged := _unchanged_since_it_worked(facts, branch):
        return unchanged
    if why := _no_more(facts, branch, now):
        return Decision(Kind.STOP, why, good, bad)
    if facts.about.kind == "HelmRelease":
        return Decision(Kind.PULL_REQUEST, "Helm went back, or gave up; Git still says what failed", good, bad)
    if helm_only(facts.ready):
        why = "it waits for HelmReleases alone: Helm may have gone back, and Git still says what failed"
        return Decision(Kind.PULL_REQUEST, why, good, bad)
    if branch.exclusions:
        return Decision(Kind.PULL_REQUEST, "; ".join(branch.exclusions), good, bad)
    return Decision(Kind.ROLL_BACK, _why(facts), good, bad)


def _no_more(facts: Facts, branch: Branch, now: datetime) -> str:
    """Why a revert has not helped, or would not; empty: it may."""
    again = [suspect.sha for suspect in branch.suspects if facts.name in suspect.takes_back_for]
    if again:
        return f"{again[0][:12]} took commits back already, and it still fails"
    # A date in the future is a clock that is wrong: it counts as now.
    if branch.last_rollback is not None and now - branch.last_rollback < PAUSE:
        return "it was taken back less than an hour ago"
    return "; ".join(branch.outside)


def _unchanged_since_it_worked(facts: Facts, branch: Branch) -> Decision | None:
    """A release may fail without a change of its manifest: by its chart's source, its values' Secret, its cluster."""
    changed = branch.suspects[0].at if branch.suspects else None
    if facts.about.kind != "HelmRelease" or facts.worked is None or changed is None or changed > facts.worked:
        return None
    why = "its manifest has not changed since a release of it worked"
    return Decision(Kind.NEVER, why, facts.applied, facts.attempted)


def _why(facts: Facts) -> str:
    reason = facts.ready.reason if facts.ready else ""
    return f"{reason}: {facts.attempts} attempts failed" if facts.attempts >= ATTEMPTS else f"{reason}: timeout passed"
