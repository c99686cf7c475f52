"""How far a HelmRelease is with its newest manifest. Pure.

Owns: reading HelmRelease and HelmChart, per helm-controller 1.6 (internal/controller, internal/reconcile).
Leaves to others: whether the Kustomization above has applied the manifest (`flux.py`).

Its `lastAttemptedRevision` is a chart's version, never a commit: what was attempted is told by
`lastAttemptedGeneration`, and what is installed by `history[0]`. A release that was rolled back may look Ready; its
newest history entry then has another configuration than the one that was attempted.
"""

from __future__ import annotations

from typing import Final

from raibid.gitops.objects import Manifest, Ref, conditions_of, mapping, metadata_of, ref_of, spec_of, status_of
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Line

_WAITS: Final = frozenset({"DependencyNotReady", "SourceNotReady", "ArtifactFailed", "HelmChartNotReady"})
"""Reasons of Ready=False that are about what it needs, not about the release."""


def progress(about: Ref, release: Manifest, chart: Manifest | None, line: Line) -> Progress:
    """How far it is; HEALTHY: what its manifest and chart ask for is installed."""
    found = _chart(chart, line)
    if found is not None:
        return found
    if not _attempted(release, chart):
        return _unattempted(about, release)
    conditions = conditions_of(release)
    ready, reconciling = conditions.get("Ready"), conditions.get("Reconciling")
    if ready is not None and ready.status == "True":
        if reconciling is not None and reconciling.status == "True":
            return Progress(Outcome.NOT_ATTEMPTED, False, reconciling.message, about)
        undone = _undone(release)
        if undone:
            return Progress(Outcome.FAILING, True, undone, about)
        return Progress(Outcome.HEALTHY, True, ready.message, about)
    if ready is None or ready.status != "False":
        doing = reconciling.message if reconciling else ready.message if ready else "an attempt is under way"
        return Progress(Outcome.NOT_ATTEMPTED, False, doing, about)
    if ready.reason in _WAITS:
        return Progress(Outcome.NOT_ATTEMPTED, False, ready.message, about)
    final = reconciling is None or reconciling.reason == "ProgressingWithRetry"
    return Progress(Outcome.FAILING, final, f"{ready.reason}: {ready.message}", about)


def _chart(chart: Manifest | None, line: Line) -> Progress | None:
    """A chart that is read from Git must have been packed of the commit; None: it was, or comes from elsewhere."""
    if chart is None or mapping(spec_of(chart).get("sourceRef")).get("kind") != "GitRepository":
        return None
    about, status = ref_of(chart), status_of(chart)
    if line.has(status.get("observedSourceArtifactRevision")):
        return None
    ready = conditions_of(chart).get("Ready")
    at = f"it is at {status.get('observedSourceArtifactRevision') or 'nothing yet'}"
    message = ready.message if ready is not None and ready.status == "False" else at
    return Progress(Outcome.NOT_ATTEMPTED, False, message, about)


def _attempted(release: Manifest, chart: Manifest | None) -> bool:
    status = status_of(release)
    if status.get("lastAttemptedGeneration") != metadata_of(release).get("generation"):
        return False
    packed = mapping(status_of(chart or {}).get("artifact")).get("revision")
    return packed is None or status.get("lastAttemptedRevision") == packed


def _unattempted(about: Ref, release: Manifest) -> Progress:
    conditions = conditions_of(release)
    stalled, ready, reconciling = (conditions.get(name) for name in ("Stalled", "Ready", "Reconciling"))
    if stalled is not None and stalled.status == "True":
        final = status_of(release).get("observedGeneration") == metadata_of(release).get("generation")
        return Progress(Outcome.FAILING, final, stalled.message, about)
    if ready is not None and ready.status == "False":
        return Progress(Outcome.NOT_ATTEMPTED, False, f"{ready.reason}: {ready.message}", about)
    doing = reconciling.message if reconciling else "its newest manifest was not attempted yet"
    return Progress(Outcome.NOT_ATTEMPTED, False, doing, about)


def _undone(release: Manifest) -> str:
    """What differs between the attempt and what is installed; empty: nothing."""
    status = status_of(release)
    history = status.get("history")
    newest = mapping(history[0]) if isinstance(history, list) and history else {}
    if not newest:
        return ""
    installed, attempted = newest.get("configDigest"), status.get("lastAttemptedConfigDigest")
    if installed and attempted and installed != attempted:
        return f"rolled back: version {newest.get('version')} has other values than the attempt"
    if newest.get("status") not in (None, "deployed"):
        return f"version {newest.get('version')} is {newest.get('status')}"
    return ""
