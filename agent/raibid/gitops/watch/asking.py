"""Asking an applier or a source to look now, instead of at its next interval.

Owns: the annotations, and what a refusal means.
Leaves to others: who is asked (`follow.py`), whether it has (`lastHandledReconcileAt`, read in `flux.py`).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.watch import argo
from raibid.kube.errors import KubeError

FLUX: Final = "reconcile.fluxcd.io/requestedAt"


def moment(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds, as Flux's own command line writes it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def ask(cluster: Cluster, ref: Ref, application: Manifest | None = None) -> tuple[str, str]:
    """The request's value, and a note if it was refused; one of them is empty. It then looks at its next interval.

    `application`: what Argo CD is asked depends on it.
    """
    request = moment(time.time_ns())
    annotations = {FLUX: request} if application is None else argo.requests(application)
    try:
        cluster.annotate(ref, **annotations)
    except KubeError as error:
        return "", f"{ref} was not asked to reconcile, and looks at its next interval: {error}"
    return request, ""
