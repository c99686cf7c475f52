"""What somebody who names an object wants followed: its applier, or everything that reads a source.

Owns: from an object to claims, the commit that is newest in what they read, the branch that its history is in.
Leaves to others: who owns an object (`raibid.gitops.owner`), following (`follow.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import UnmanagedError
from raibid.gitops.groups import ARGOCD, HELM, KUSTOMIZE, SOURCE
from raibid.gitops.objects import Manifest, Ref, ref_of
from raibid.gitops.owner.argo_sources import sources
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Claim, Place
from raibid.gitops.owner.sources import place_of, source_at
from raibid.gitops.owner.world import World
from raibid.gitops.revisions import sha_of
from raibid.gitops.watch.flux import fetched
from raibid.gitops.watch.follow import claim_of
from raibid.gitops.watch.route import chart_of, source_of

_GIT: Final = "GitRepository"


def sources_of(cluster: Cluster) -> list[Ref]:
    """Every repository that Flux reads."""
    return list(World(cluster).all(SOURCE, _GIT))


def claims_of(cluster: Cluster, ref: Ref) -> Sequence[Claim]:
    """What a change to an object passes: of an applier itself, of all that read a repository, or of who owns it.

    Raises:
        KubeNotFoundError: there is none. UnmanagedError: nobody applies it from Git.
    """
    world = World(cluster)
    if (ref.group, ref.kind) == (SOURCE, _GIT):
        found = [claim_of(reader, place=_place(world, ref, reader)) for reader in _readers(world, ref)]
        if not found:
            raise UnmanagedError(f"nothing reads {ref}")
        return found
    if (ref.group, ref.kind) in ((KUSTOMIZE, "Kustomization"), (ARGOCD, "Application")):
        manifest = cluster.get(ref)
        if ref.kind == "Kustomization":
            return [claim_of(ref, place=place_of(world, manifest).place)]
        return [_of_application(ref, manifest)]
    ownership = find(cluster, ref)
    if not ownership.claims:
        raise UnmanagedError(f"{ref}: nobody applies it from Git", "; ".join(ownership.notes))
    return ownership.claims


def _of_application(ref: Ref, manifest: Manifest) -> Claim:
    """Of several sources none is the place: which of them a commit is in nobody has said."""
    found = sources(manifest)
    places = (*found.places, *found.values)
    if len(places) == 1:
        return claim_of(ref, place=places[0])
    several = f"{ref} reads {len(places)} places: name the object that is meant"
    note = several if places else f"{ref} reads no file of Git"
    return replace(claim_of(ref), others=places, note=note)


def _readers(world: World, source: Ref) -> Iterator[Ref]:
    for ref, item in world.all(KUSTOMIZE, "Kustomization").items():
        if source_of(item) == source:
            yield ref
    charts = {ref_of(chart) for chart in world.all(SOURCE, "HelmChart").values() if source_of(chart) == source}
    for ref, item in world.all(HELM, "HelmRelease").items():
        if chart_of(item) in charts:
            yield ref


def _place(world: World, source: Ref, reader: Ref) -> Place | None:
    manifest = world.get(reader)
    if manifest is None or reader.group != KUSTOMIZE:
        return source_at(world, source, "").place
    return place_of(world, manifest).place


def newest(cluster: Cluster, claims: Sequence[Claim]) -> str:
    """The commit that the first of their sources has; empty: none has one."""
    world = World(cluster)
    for place in (place for claim in claims for place in (claim.place, *claim.others) if place is not None):
        source = world.get(place.source) if place.source is not None else None
        if source is not None and (sha := sha_of(fetched(source)[1])):
            return sha
        if sha := sha_of(place.revision):
            return sha
    return ""


def lineage_of(claims: Sequence[Claim]) -> Place | None:
    """The one branch that tells which commit contains which; None: they read several, or none."""
    for claim in claims:
        if claim.place is not None:
            return claim.place
        branches = {(place.repository, place.branch): place for place in claim.others}
        if len(branches) == 1:
            return next(iter(branches.values()))
    return None
