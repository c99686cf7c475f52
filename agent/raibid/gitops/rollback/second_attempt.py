"""The second attempt that a failed commit is given: asked for once, by an annotation that names the commit.

Owns: the request's words, whether it was asked, whether that attempt has ended; all of it is in the object, so that a
restart asks nobody twice.
Leaves to others: when it is asked for (`decide.py`), what counts as an attempt beside it (`facts.py`).
"""

from __future__ import annotations

import time

from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Manifest, Ref, annotations_of, status_of, text
from raibid.gitops.watch.asking import FLUX, moment


def request(sha: str, at: str) -> str:
    """The value of `reconcile.fluxcd.io/requestedAt` that asks for another attempt of a failed commit."""
    return f"{at} {sha}"


def ask(cluster: Cluster, ref: Ref, manifest: Manifest, sha: str) -> bool:
    """Have Flux try the commit once more now; whether it was asked, for it is asked once. Raises KubeError."""
    if _names(annotations_of(manifest).get(FLUX), sha):
        return False
    cluster.annotate(ref, **{FLUX: request(sha, moment(time.time_ns()))})
    return True


def has_ended(manifest: Manifest, sha: str) -> bool:
    """Whether an attempt has ended that was asked for after this very commit had failed."""
    return _names(status_of(manifest).get("lastHandledReconcileAt"), sha)


def _names(value: object, sha: str) -> bool:
    return bool(sha) and text(value).endswith(f" {sha}")
