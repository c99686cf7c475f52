"""How far a commit is with one Application: from what its status says to a progress. Pure.

Owns: what revisions, sync operation, sync status, health and conditions mean together, in Argo CD 2 and 3.
Leaves to others: reading them (`argo_status.py`), the hydrated branch (`argo_hydration.py`), the health of single
objects (`health.py`), waiting (`follow.py`).

That an Application was compared after the push is read from the revision that it compared: one that contains the
commit can only be newer. Times are compared only where no revision is named, since they are of two clocks.
`status.resources[].health` is never read: Argo CD 3 does not keep it (`controller.resource.health.persist`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from raibid.gitops.objects import Manifest, Ref, annotations_of, mapping, metadata_of, moment, spec_of, text
from raibid.gitops.owner.argo import SKIP_RECONCILE, is_suspended
from raibid.gitops.watch.argo_hydration import awaits_merge, hydrated
from raibid.gitops.watch.argo_status import COMPARISON_ERROR, SPEC_ERRORS, SYNC_ERROR, Look, OfItself, sources_of
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Line, Standing

REFRESH: Final = "argocd.argoproj.io/refresh"
HYDRATE: Final = "argocd.argoproj.io/hydrate"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What one step looks at."""

    line: Line
    about: Ref
    application: Manifest | None
    pushed_at: datetime
    repository: str = ""
    """The clone URL, as the Application has it, of the source that was changed; empty: whichever has the commit."""
    branch: str = ""
    """The branch that was pushed to, as the Application has it."""


def requests(application: Manifest) -> dict[str, str]:
    """Annotations that ask Argo CD to look now; it takes them away when it has."""
    if mapping(spec_of(application).get("sourceHydrator")):
        return {REFRESH: "normal", HYDRATE: "normal"}
    return {REFRESH: "normal"}


def progress(facts: Facts) -> Progress:
    """How far the commit is with this Application; HEALTHY: it is synced, and Argo CD says that all is healthy."""
    application = facts.application
    if application is None:
        return Progress(Outcome.NOT_ATTEMPTED, False, "it does not exist", facts.about)
    if metadata_of(application).get("deletionTimestamp"):
        return Progress(Outcome.NOT_ATTEMPTED, True, "it is being deleted", facts.about)
    found = _progress(facts, application)
    if text(annotations_of(application).get(SKIP_RECONCILE)) == "true" and not found.passed:
        return Progress(Outcome.SUSPENDED, True, f"{SKIP_RECONCILE} is set; {found.message}", facts.about)
    return found


def settled(facts: Facts) -> Progress:
    """How far it is with an Application whose own manifest the commit brings: whichever revision it reads."""
    application = facts.application
    if application is None:
        return Progress(Outcome.NOT_ATTEMPTED, False, "it does not exist", facts.about)
    look = OfItself(application, facts.line, ())
    broken = _broken(look, facts)
    if broken:
        return broken
    if look.is_new:
        return Progress(Outcome.NOT_ATTEMPTED, False, "its sources have changed, and are not compared", facts.about)
    return _operated(look, facts) or _synced(look, facts) or _healthy(look, facts)


def _progress(facts: Facts, application: Manifest) -> Progress:
    look = Look(application, facts.line, sources_of(application, facts.repository, facts.branch, facts.line))
    broken = _broken(look, facts)
    if broken:
        return broken
    if mapping(spec_of(application).get("sourceHydrator")):
        line = hydrated(application, facts.line, facts.about, facts.pushed_at)
        if isinstance(line, Progress):
            return line
        look = Look(application, line, (0,))
    return _compared(look, facts) or _operated(look, facts) or _synced(look, facts) or _healthy(look, facts)


def _broken(look: Look, facts: Facts) -> Progress | None:
    error = look.condition(*SPEC_ERRORS)
    if error is None:
        return None
    # The commit may be what mends it: final only if it came up after the push.
    final = error.since is not None and error.since >= facts.pushed_at.replace(microsecond=0)
    return Progress(Outcome.FAILING, final, error.message, facts.about)


def _compared(look: Look, facts: Facts) -> Progress | None:
    """What keeps Argo CD from comparing the commit with the cluster; None: it has."""
    if all(standing is Standing.WITH for standing in look.standings):
        return None
    at = f"it is at {', '.join(filter(None, look.compared)) or 'nothing yet'}"
    seen, error = look.reconciled_since(facts.pushed_at), look.condition(COMPARISON_ERROR)
    if error and text(look.sync.get("status")) == "Unknown":
        # Without manifests there is no commit either: `revision` is then the branch's name (CompareAppState).
        final = seen and not error.not_reached
        return Progress(Outcome.FAILING if final else Outcome.NOT_FETCHED, final, error.message, facts.about)
    merge = awaits_merge(look.application)
    if merge:
        return Progress(Outcome.AWAITING_SYNC, True, merge, facts.about)
    if Standing.BESIDE in look.standings:
        return Progress(Outcome.SUPERSEDED, seen, f"{at}, which does not contain the commit", facts.about)
    return Progress(Outcome.NOT_FETCHED, False, at, facts.about)


def _operated(look: Look, facts: Facts) -> Progress | None:
    """A sync that runs or has failed; None: neither."""
    message = text(look.operation.get("message"))
    if look.phase in ("Running", "Terminating"):
        if not look.is_ours:
            said = f"it is busy with another revision: {message or look.phase}"
            return Progress(Outcome.NOT_ATTEMPTED, False, said, facts.about)
        if look.operation.get("retryCount"):
            return Progress(Outcome.FAILING, False, _with(message, look.failures()), facts.about)
        # Hooks and waves: a part is applied, and Argo CD waits for it.
        return Progress(Outcome.NOT_HEALTHY, False, message or "the sync is running", facts.about)
    if look.phase in ("Failed", "Error") and look.is_ours:
        said = _with(f"sync {look.phase}: {message}", look.failures())
        return Progress(Outcome.FAILING, True, said, facts.about)
    return None


def _synced(look: Look, facts: Facts) -> Progress | None:
    """What keeps the cluster from being as Git says; None: it is."""
    status = text(look.sync.get("status"))
    if status == "Synced":
        return None
    if status != "OutOfSync":
        error = look.condition(COMPARISON_ERROR)
        said = error.message if error else "it is not compared yet"
        final = error is not None and not error.not_reached
        return Progress(Outcome.FAILING if final else Outcome.NOT_ATTEMPTED, final, said, facts.about)
    synced = look.phase == "Succeeded" and look.is_ours
    if synced and not look.reconciled_since(moment(look.operation.get("finishedAt"))):
        return Progress(Outcome.NOT_HEALTHY, False, "synced; the result is not compared yet", facts.about)
    return _out_of_sync(look, facts, synced=synced)


def _out_of_sync(look: Look, facts: Facts, *, synced: bool) -> Progress:
    """Why it stays so; `synced`: although a sync of the commit has succeeded."""
    differ, pruned = look.differing(pruned=False), look.differing(pruned=True)
    if pruned and not differ and not look.prunes:
        said = f"OutOfSync, awaiting a sync that prunes {pruned}"
        return Progress(Outcome.AWAITING_SYNC, True, said, facts.about)
    if synced:
        return Progress(Outcome.FAILING, False, f"synced, and still OutOfSync: {differ or pruned}", facts.about)
    if is_suspended(look.application):
        return Progress(Outcome.AWAITING_SYNC, True, f"OutOfSync, awaiting sync: {differ or pruned}", facts.about)
    error = look.condition(SYNC_ERROR)
    if error:
        return Progress(Outcome.FAILING, True, error.message, facts.about)
    said = "OutOfSync; its automated sync has not begun (a sync window may hold it)"
    return Progress(Outcome.NOT_ATTEMPTED, False, said, facts.about)


def _healthy(look: Look, facts: Facts) -> Progress:
    """It is synced: by an operation, or the commit changes nothing of it, and Argo CD runs no operation then."""
    finished = moment(look.operation.get("finishedAt")) if look.is_ours else None
    if finished and not look.reconciled_since(finished):
        return Progress(Outcome.NOT_HEALTHY, False, "synced; its health is not assessed yet", facts.about)
    status, said = text(look.health.get("status")), text(look.health.get("message"))
    if status == "Healthy":
        done = text(look.operation.get("message")) if look.is_ours else "Synced: the commit changes nothing of it"
        return Progress(Outcome.HEALTHY, True, done, facts.about)
    message = _with(f"health is {status or 'unknown'}", said)
    return Progress(Outcome.NOT_HEALTHY, status == "Degraded" and _degraded_by_it(look), message, facts.about)


def _degraded_by_it(look: Look) -> bool:
    """Whether it degraded since the commit's sync began: what was broken before may be what the commit mends."""
    began, since = moment(look.operation.get("startedAt")), moment(look.health.get("lastTransitionTime"))
    return look.is_ours and (since is None or began is None or since >= began)


def _with(message: str, more: str) -> str:
    return f"{message}: {more}" if more else message
