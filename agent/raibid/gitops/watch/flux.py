"""How far a commit is with one Flux applier: from what the source and the applier say to a progress. Pure.

Owns: reading GitRepository and Kustomization, per kustomize-controller 1.9 (internal/controller): what it sets when.
Leaves to others: HelmRelease (`helm.py`), the health of single objects (`health.py`), waiting (`follow.py`).

`status.observedGeneration` is never waited for: the controller sets it only after a success. An attempt has failed when
Ready is False for the revision in `lastAttemptedRevision` and Reconciling says ProgressingWithRetry; before that,
Ready=False is what an earlier attempt left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from raibid.gitops.objects import Manifest, Ref, conditions_of, mapping, metadata_of, spec_of, status_of
from raibid.gitops.watch import helm
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Line, Standing

ORIGIN: Final = "org.opencontainers.image.revision"
"""Where an OCI artifact says which commit it was made of."""

DEPENDENCY: Final = "DependencyNotReady"
HEALTH: Final = "HealthCheckFailed"
NEWER: Final = frozenset({"HealthCheckCanceled"})
"""Not failures: a newer revision came while this one was under way."""

_REVISION: Final = re.compile(r"for revision (\S+)")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What one step looks at."""

    line: Line
    applier_ref: Ref
    applier: Manifest | None
    source_ref: Ref | None = None
    """None: what it reads is not looked at."""
    source: Manifest | None = None
    chart: Manifest | None = None
    """The HelmChart of a HelmRelease."""
    held: tuple[Progress, ...] = ()
    """Dependencies that have not passed."""
    fetched: bool = False
    """The source had the commit before."""
    request: str = ""
    """The value of our `requestedAt` on the source; empty: it was not asked."""
    again: str = ""
    """The value of our `requestedAt` on the applier."""


def progress(facts: Facts) -> Progress:
    """How far the commit is with this applier; HEALTHY: it applied it, and says that all is ready."""
    found = _source(facts)
    if found is not None:
        return found
    about = facts.applier_ref
    applier = facts.applier
    if applier is None:
        return Progress(Outcome.NOT_ATTEMPTED, False, "it does not exist", about)
    if metadata_of(applier).get("deletionTimestamp"):
        return Progress(Outcome.NOT_ATTEMPTED, True, "it is being deleted", about)
    found = helm.progress(about, applier, facts.chart, facts.line) if about.kind == "HelmRelease" else _applied(facts)
    found = answered(found, applier, facts.again)
    if spec_of(applier).get("suspend") is True and not found.passed:
        return Progress(Outcome.SUSPENDED, True, f"{about.kind} is suspended; {found.message}".rstrip("; "), about)
    return found


def answered(found: Progress, applier: Manifest, again: str) -> Progress:
    """What failed before the applier has handled our request to try again is not its last word."""
    if not again or found.passed or status_of(applier).get("lastHandledReconcileAt") == again:
        return found
    return replace(found, done=False)


def _source(facts: Facts) -> Progress | None:
    """What is wrong with the source; None: it has the commit."""
    about, source = facts.source_ref, facts.source
    if about is None:
        return None
    if source is None:
        return Progress(Outcome.NOT_FETCHED, False, "it does not exist", about)
    revision, commit = fetched(source)
    standing = facts.line.standing(commit)
    if standing is Standing.WITH:
        return None
    if standing is Standing.BESIDE:
        # A rewritten branch looks so until the source has fetched again.
        handled = bool(facts.request) and status_of(source).get("lastHandledReconcileAt") == facts.request
        return Progress(Outcome.SUPERSEDED, facts.fetched or handled, f"it is at {revision}", about)
    known = standing is not Standing.UNKNOWN  # it may be a later one, which contains the commit
    if spec_of(source).get("suspend") is True:
        return Progress(Outcome.SUSPENDED, known, f"{about.kind} is suspended at {revision or 'nothing'}", about)
    conditions = conditions_of(source)
    stalled, ready = conditions.get("Stalled"), conditions.get("Ready")
    if stalled is not None and stalled.status == "True":
        return Progress(Outcome.NOT_FETCHED, known, stalled.message, about)
    if ready is not None and ready.status == "False":
        return Progress(Outcome.NOT_FETCHED, False, ready.message, about)
    if revision and not commit:
        return Progress(Outcome.NOT_FETCHED, True, f"its revision names no commit: {revision}", about)
    unsure = "" if known else "; whether that contains the commit is not known"
    return Progress(Outcome.NOT_FETCHED, False, f"it is at {revision or 'nothing yet'}{unsure}", about)


def fetched(source: Manifest) -> tuple[str, str]:
    """The revision of a source's artifact, and the revision that names a commit: another one for an OCI artifact."""
    artifact = mapping(status_of(source).get("artifact"))
    revision = str(artifact.get("revision", ""))
    if source.get("kind") == "GitRepository":
        return revision, revision
    return revision, str(mapping(artifact.get("metadata")).get(ORIGIN, ""))


def _applied(facts: Facts) -> Progress:
    about, applier = facts.applier_ref, facts.applier or {}
    ready = conditions_of(applier).get("Ready")
    if _has(facts, "lastAppliedRevision") and ready is not None and ready.status == "True":
        return Progress(Outcome.HEALTHY, True, ready.message, about)
    if not _has(facts, "lastAttemptedRevision"):
        return _unattempted(facts)
    reconciling = conditions_of(applier).get("Reconciling")
    if ready is None or ready.status != "False":
        doing = reconciling.message if reconciling else ready.message if ready else "an attempt is under way"
        checking = "health check" in doing.lower()
        return Progress(Outcome.NOT_HEALTHY if checking else Outcome.NOT_ATTEMPTED, False, doing, about)
    if ready.reason == DEPENDENCY:
        return _held(facts, ready.message)
    if ready.reason in NEWER or ready.reason == "ArtifactFailed":
        return Progress(Outcome.NOT_ATTEMPTED, False, ready.message, about)
    # No Reconciling: it stalled, or this controller is older than the condition.
    final = reconciling is None or reconciling.reason == "ProgressingWithRetry"
    outcome = Outcome.NOT_HEALTHY if ready.reason == HEALTH else Outcome.FAILING
    return Progress(outcome, final, f"{ready.reason}: {ready.message}", about)


def _unattempted(facts: Facts) -> Progress:
    about, applier = facts.applier_ref, facts.applier or {}
    conditions, status = conditions_of(applier), status_of(applier)
    ready, stalled, reconciling = (conditions.get(name) for name in ("Ready", "Stalled", "Reconciling"))
    if stalled is not None and stalled.status == "True":
        # It refuses its own spec (an expression, a forbidden source), which the commit may have mended.
        final = status.get("observedGeneration") == metadata_of(applier).get("generation")
        return Progress(Outcome.FAILING, final, stalled.message, about)
    at = f"it is at {status.get('lastAttemptedRevision') or 'nothing yet'}"
    if ready is None or ready.status != "False":
        return Progress(Outcome.NOT_ATTEMPTED, False, at, about)
    if ready.reason == DEPENDENCY:
        return _held(facts, ready.message)
    tried = _REVISION.search(reconciling.message) if reconciling else None
    if ready.reason == "ArtifactFailed" and tried and facts.line.has(tried.group(1)) and "path" in ready.message:
        # `kustomization path not found` comes before the controller notes which revision it attempts.
        return Progress(Outcome.FAILING, True, f"{ready.reason}: {ready.message}", about)
    return Progress(Outcome.NOT_ATTEMPTED, False, f"{at}; {ready.reason}: {ready.message}", about)


def _held(facts: Facts, message: str) -> Progress:
    reasons = [f"{item.object}: {item.outcome}: {item.message}" for item in facts.held]
    stuck = any(item.done for item in facts.held)
    return Progress(Outcome.NOT_ATTEMPTED, stuck, "; ".join((message, *reasons)), facts.applier_ref)


def _has(facts: Facts, field: str) -> bool:
    """Whether the revision in that field of the Kustomization's status contains the commit."""
    status = status_of(facts.applier or {})
    revision = status.get(field)
    if facts.source is not None and facts.source.get("kind") != "GitRepository":
        artifact, commit = fetched(facts.source)
        origin = status.get("lastAppliedOriginRevision") if field == "lastAppliedRevision" else None
        return facts.line.has(origin or (commit if revision == artifact else None))
    return facts.line.has(revision)
