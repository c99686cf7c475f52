"""What a Flux object says of its failure, as the facts that are decided on. Pure.

Owns: reading conditions and history as kustomize-controller 1.9 and helm-controller 1.6 write them.
Leaves to others: getting the objects (`reading.py`), the branch (`look.py`), the decision (`decide.py`).

How often an attempt failed is in `status.history`, but a build that fails leaves no entry there, and Ready's own time
is that of the last attempt. So an attempt that we asked for (`second_attempt.py`) counts, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from raibid.gitops.objects import (
    Manifest,
    conditions_of,
    mapping,
    mappings,
    metadata_of,
    moment,
    ref_of,
    spec_of,
    status_of,
    text,
)
from raibid.gitops.revisions import sha_of
from raibid.gitops.rollback.decide import ATTEMPTS, Facts
from raibid.gitops.rollback.second_attempt import has_ended

SUCCEEDED: Final = "ReconciliationSucceeded"
_WORKED: Final = frozenset({"deployed", "superseded"})
"""What Helm says of a release that came up, as of now or before another one took its place."""
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_SHORTEST: Final = timedelta(seconds=30)
"""kustomize-controller gives an attempt no less (api/v1, GetTimeout)."""
_LONGEST: Final = 10 * 365 * 86400.0


@dataclass(frozen=True)
class Source:
    """What an object reads from."""

    fetched: str = ""
    """The commit that it offers."""
    since: datetime | None = None
    """Since when."""
    trouble: str = ""
    """Why it may not be able to fetch what we would push."""


def source_of(manifest: Manifest | None) -> Source:
    """A GitRepository, or None for one that is not there."""
    if manifest is None:
        return Source(trouble="it is not there")
    artifact, ready = mapping(status_of(manifest).get("artifact")), conditions_of(manifest).get("Ready")
    trouble = ""
    if spec_of(manifest).get("suspend") is True:
        trouble = "it is suspended"
    elif ready is None or ready.status != "True":
        trouble = f"it is not ready: {ready.message[:200]}" if ready else "it has not fetched anything yet"
    return Source(sha_of(artifact.get("revision")), moment(artifact.get("lastUpdateTime")), trouble)


def of_kustomization(manifest: Manifest, source: Source, *, unready: Sequence[str] = ()) -> Facts:
    """What a Kustomization says. `unready`: what it depends on and is not ready."""
    spec, status, conditions = spec_of(manifest), status_of(manifest), conditions_of(manifest)
    entries = [_Entry.of(item) for item in mappings(status.get("history"))]
    attempted, applied = sha_of(status.get("lastAttemptedRevision")), sha_of(status.get("lastAppliedRevision"))
    if mapping(spec.get("sourceRef")).get("kind") != "GitRepository":
        # The revision is an artifact's, which says elsewhere of which commit it was made.
        attempted = next((entry.sha for entry in entries if entry.revision == attempted), "")
        applied = sha_of(status.get("lastAppliedOriginRevision"))
    failures = [entry for entry in entries if entry.sha == attempted and entry.status != SUCCEEDED]
    passed = [entry for entry in entries if entry.sha == applied and entry.status == SUCCEEDED]
    since = source.since if source.fetched == attempted else None
    return Facts(
        about=ref_of(manifest),
        suspended=spec.get("suspend") is True,
        deleting=bool(metadata_of(manifest).get("deletionTimestamp")),
        ready=conditions.get("Ready"),
        stalled=conditions.get("Stalled"),
        reconciling=conditions.get("Reconciling"),
        source_trouble=source.trouble,
        unready_dependencies=tuple(unready),
        fetched=source.fetched,
        attempted=attempted,
        applied=applied,
        attempts=max(_attempts(failures, since), ATTEMPTS if has_ended(manifest, attempted) else 0),
        began=_began(failures, since, waits=bool(spec.get("dependsOn"))),
        timeout=_timeout(spec),
        failed_at_good=_failed_at_good(entries, passed, applied),
        same_build=bool({entry.digest for entry in failures} & {entry.digest for entry in passed}),
    )


def of_helm_release(manifest: Manifest, source: Source, *, attempted: str) -> Facts:
    """What a HelmRelease says. `attempted`: the commit that its manifest was applied from; it knows only charts."""
    conditions = conditions_of(manifest)
    return Facts(
        about=ref_of(manifest),
        suspended=spec_of(manifest).get("suspend") is True,
        deleting=bool(metadata_of(manifest).get("deletionTimestamp")),
        ready=conditions.get("Ready"),
        stalled=conditions.get("Stalled"),
        reconciling=conditions.get("Reconciling"),
        remediated=conditions.get("Remediated"),
        worked=_worked(mappings(status_of(manifest).get("history"))),
        source_trouble=source.trouble,
        fetched=source.fetched,
        attempted=attempted,
    )


def _worked(history: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When the release was deployed that worked last, before the newest one that failed.

    That one may not be there at all: helm-controller has dry-run failures, too. A rollback makes a newer release, which
    works, and tells nothing of the manifest that Git has.
    """
    releases = sorted(history, key=_release, reverse=True)
    failed = next((_release(item) for item in releases if item.get("status") == "failed"), None)
    for item in releases:
        if item.get("status") in _WORKED and (failed is None or _release(item) < failed):
            return moment(item.get("lastDeployed")) or moment(item.get("firstDeployed"))
    return None


def _release(item: Mapping[str, Any]) -> int:
    number = item.get("version")
    return number if isinstance(number, int) else 0


@dataclass(frozen=True)
class _Entry:
    """One of `status.history`: attempts that built the same manifests and ended in the same way."""

    sha: str
    """The commit of the newest of them."""
    revision: str
    """What it was read from; another one for an artifact that was made of the commit."""
    digest: str
    status: str
    first: datetime | None
    last: datetime | None
    took: timedelta
    total: int

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> _Entry:
        metadata, total = mapping(item.get("metadata")), item.get("totalReconciliations")
        revision = sha_of(metadata.get("revision"))
        return cls(
            sha=sha_of(metadata.get("originRevision")) or revision,
            revision=revision,
            digest=text(item.get("digest")),
            status=text(item.get("lastReconciledStatus")),
            first=moment(item.get("firstReconciled")),
            last=moment(item.get("lastReconciled")),
            took=duration(item.get("lastReconciledDuration")) or timedelta(0),
            total=total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else 1,
        )

    @property
    def began(self) -> datetime | None:
        """When the first of these attempts began; if there were several, when the first one ended."""
        if self.total > 1 or self.last is None:
            return self.first
        try:
            return self.last - self.took
        except OverflowError:  # times that nobody's clock has shown
            return self.first


def _attempts(failures: Sequence[_Entry], since: datetime | None) -> int:
    # What began before the commit was fetched has counted an earlier commit that built the same.
    return sum(1 if since and entry.first and entry.first < since else entry.total for entry in failures)


def _began(failures: Sequence[_Entry], since: datetime | None, *, waits: bool) -> datetime | None:
    """When the first failed attempt began, or later: only what is certain counts as time."""
    known = [begin for entry in failures if (begin := entry.began)]
    if known:
        return max(min(known), since) if since else min(known)
    # No entry: it did not build. Fetched is not yet attempted where it has others to wait for.
    return None if waits else since


def _failed_at_good(entries: Sequence[_Entry], passed: Sequence[_Entry], applied: str) -> bool:
    failed = [entry.last for entry in entries if applied and entry.sha == applied and entry.status != SUCCEEDED]
    last = max((entry.last for entry in passed if entry.last), default=None)
    return any(moment and (last is None or moment > last) for moment in failed)


def _timeout(spec: Mapping[str, Any]) -> timedelta:
    interval = duration(spec.get("interval")) or timedelta(minutes=5)
    return max(duration(spec.get("timeout")) or interval - _SHORTEST, _SHORTEST)


def duration(value: object) -> timedelta | None:
    """A duration as Go writes it: `1m30s`, `1.5h`; None: it is none."""
    said = text(value)[:100]
    parts = _PART.findall(said)
    if not parts or "".join(number + unit for number, unit in parts) != said:
        return None
    return timedelta(seconds=min(sum(float(number) * _UNITS[unit] for number, unit in parts), _LONGEST))
