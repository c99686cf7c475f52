"""A change tried on the API server before it is made: the same request as a dry run.

Flux drops fields that a kind does not know without a word (seen with kustomize-controller 1.7.3), and reports what
admission refuses only after the push: so both are found here.

Owns: what an answer means for the change.
Leaves to others: the manifest (`manifests.py`), asking (`raibid.gitops.cluster`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from raibid.gitops.cluster import Applied, Cluster
from raibid.gitops.objects import Manifest
from raibid.kube.errors import KubeConflictError, KubeNotFoundError, KubeRefusedError


@dataclass(frozen=True)
class Trial:
    """What the API server said to a manifest that it takes."""

    tried: bool
    warnings: tuple[str, ...] = ()
    manifest: Manifest | None = None
    """What it would be, with defaults and what admission adds."""


def tried(cluster: Cluster, manifest: Manifest, *, manager: str) -> Trial:
    """Apply it as its applier would, without effect.

    Raises:
        KubeInvalidError: an unknown field, a wrong value, an admission policy. KubeError: no answer.
    """

    def send() -> Applied:
        try:
            return cluster.apply(manifest, manager=manager, dry_run=True)
        except KubeConflictError as error:
            # Appliers force: it goes through, and then both write the field in turns.
            applied = cluster.apply(manifest, manager=manager, dry_run=True, force=True)
            warnings = (f"somebody else sets this as well: {error}", *applied.warnings)
            return Applied(applied.manifest, warnings)

    return answered(send)


def answered(send: Callable[[], Applied]) -> Trial:
    """What a dry run says; that it could not be made is a warning. Raises as `tried`."""
    try:
        applied = send()
    except KubeNotFoundError as error:
        return Trial(False, (f"not tried on the API server: {error}",))
    except KubeRefusedError as error:
        return Trial(False, (f"not tried on the API server, for we may not: {error}",))
    return Trial(True, applied.warnings, applied.manifest)
