"""What appliers remember about commits: Flux' `status.history`, Argo CD's. Pure.

Owns: reading both into the same entries.
Leaves to others: which files an applier reads (`gather.py`), what follows from the entries (`log.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from raibid.gitops.cluster import Happening
from raibid.gitops.history.log import Applier, Reconciled
from raibid.gitops.objects import Manifest, conditions_of, mapping, mappings, moment, ref_of, status_of, text
from raibid.gitops.revisions import sha_of
from raibid.gitops.rollback.facts import SUCCEEDED


def of_kustomization(manifest: Manifest, files: frozenset[str], happenings: Sequence[Happening]) -> Applier:
    """A Kustomization; one whose artifact was made of a Git commit counts by that commit."""
    status, ready = status_of(manifest), conditions_of(manifest).get("Ready")
    entries = [(mapping(item.get("metadata")), item) for item in mappings(status.get("history"))]
    origins = {sha_of(metadata.get("revision")): sha_of(metadata.get("originRevision")) for metadata, _ in entries}
    attempted = sha_of(status.get("lastAttemptedRevision"))
    return Applier(
        name=str(ref_of(manifest)),
        files=files,
        applied=sha_of(status.get("lastAppliedOriginRevision")) or sha_of(status.get("lastAppliedRevision")),
        attempted=origins.get(attempted) or attempted,
        ready=ready.status if ready else "Unknown",
        message=f"{ready.reason}: {ready.message}" if ready else "",
        history=tuple(
            Reconciled(
                revision=sha_of(metadata.get("originRevision")) or sha_of(metadata.get("revision")),
                succeeded=text(item.get("lastReconciledStatus")) == SUCCEEDED,
                first=moment(item.get("firstReconciled")),
                last=moment(item.get("lastReconciled")),
            )
            for metadata, item in entries
        ),
        happenings=tuple(happenings),
    )


def of_application(manifest: Manifest, files: frozenset[str], happenings: Sequence[Happening]) -> Applier:
    """An Application with one source. Its history has one entry per sync, and no failed ones."""
    status = status_of(manifest)
    operation = mapping(status.get("operationState"))
    phase, health = text(operation.get("phase")), text(mapping(status.get("health")).get("status"))
    synced = mappings(status.get("history"))
    failed = phase in ("Failed", "Error") or health == "Degraded"
    return Applier(
        name=str(ref_of(manifest)),
        files=files,
        applied=sha_of(synced[-1].get("revision")) if synced else "",
        attempted=sha_of(mapping(operation.get("syncResult")).get("revision")),
        ready="False" if failed else "True" if (phase, health) == ("Succeeded", "Healthy") else "Unknown",
        message=text(operation.get("message")),
        history=tuple(
            Reconciled(sha_of(item.get("revision")), True, moment(item.get("deployedAt")), None) for item in synced
        ),
        happenings=tuple(happenings),
    )
