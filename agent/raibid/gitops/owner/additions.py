"""What an applier adds to the directory that it reads: patches, images, names, which no file of it has.

Owns: asking the applier at the end of a chain; its answer as the `spec` of a Flux Kustomization.
Leaves to others: what that does to an edit (`raibid.gitops.files`).
"""

from __future__ import annotations

from typing import Any

from raibid.gitops.cluster import Cluster
from raibid.gitops.groups import ARGOCD, KUSTOMIZE
from raibid.gitops.objects import spec_of
from raibid.gitops.owner.argo_sources import added
from raibid.gitops.owner.argo_tracking import APPLICATION
from raibid.gitops.owner.ownership import Claim, Place


def additions(cluster: Cluster, claim: Claim, place: Place) -> dict[str, Any]:
    """To the files of one of a claim's places; empty: nothing.

    Raises:
        KubeError: the cluster does not answer.
    """
    reader = claim.chain[-1].ref
    if (reader.group, reader.kind) == (KUSTOMIZE, "Kustomization"):
        return dict(spec_of(cluster.get(reader)))
    if (reader.group, reader.kind) == (ARGOCD, APPLICATION):
        return added(cluster.get(reader), place)
    return {}
