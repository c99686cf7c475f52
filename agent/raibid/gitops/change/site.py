"""Where in a checkout an object is described, and what its applier puts in afterwards: what an edit has to know.

Owns: reading the applier's own manifest: `${var}` from ConfigMaps, patches and images of a Flux Kustomization or an
Argo CD Application.
Leaves to others: the files (`raibid.gitops.files`), who applies what (`raibid.gitops.owner`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raibid.gitops.cluster import Cluster
from raibid.gitops.files.variables import VariableSource
from raibid.gitops.objects import Manifest, Ref, mapping, mappings, text
from raibid.gitops.owner.additions import additions
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Claim, Place
from raibid.kube.errors import KubeNotFoundError, KubeRefusedError


@dataclass(frozen=True, kw_only=True)
class Site:
    """Arguments of every edit in `raibid.gitops.files`."""

    entry: str
    ref: Ref
    variables: tuple[VariableSource, ...] = ()
    flux_spec: Mapping[str, Any] | None = None


def site_of(cluster: Cluster, claim: Claim, place: Place) -> Site:
    """What the live applier says of one of a claim's places. Raises KubeError."""
    spec = additions(cluster, claim, place)
    namespace = claim.chain[-1].ref.namespace
    sources = [
        source_of(cluster, Ref("", text(item.get("kind")), namespace, text(item.get("name"))), place)
        for item in mappings(mapping(spec.get("postBuild")).get("substituteFrom"))
    ]
    return Site(entry=place.path, ref=claim.edit, variables=tuple(sources), flux_spec=spec or None)


def source_of(cluster: Cluster, ref: Ref, place: Place) -> VariableSource:
    """A ConfigMap or Secret of variables, and the directory by which its file is found in the same repository."""
    owner = _owned(cluster, ref)
    same = owner is not None and (owner.repository, owner.branch) == (place.repository, place.branch)
    # Without an owner its file may be anybody's: another cluster's ConfigMap has the same name.
    return VariableSource(ref, _keys(_seen(cluster, ref)), owner.path if owner and same else None)


def _owned(cluster: Cluster, ref: Ref) -> Place | None:
    try:
        claim = find(cluster, ref).claim
    except KubeNotFoundError:
        return None  # `optional: true`
    return claim.place if claim else None


def _seen(cluster: Cluster, ref: Ref) -> Manifest:
    try:
        return cluster.get(ref)
    except (KubeNotFoundError, KubeRefusedError):
        return {}  # then its file alone says what it has


def _keys(manifest: Manifest) -> frozenset[str]:
    return frozenset(map(str, [*mapping(manifest.get("data")), *mapping(manifest.get("stringData"))]))
