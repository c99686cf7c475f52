"""A Flux object of the cluster, read for the decision: its facts, and where in Git its files are.

Owns: which objects are asked for; that Git is asked only when the objects leave it open.
Leaves to others: what they mean (`facts.py`), the branch (`look.py`), the decision (`decide.py`).

    reading = read(cluster, ref)
    if worth_looking(reading.facts, now=now):
        reading = examine(reading, Checkout.open(...), now=now)
    decision = decide(reading.facts, now=now)
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from raibid.gitops.change.checkout import Checkout
from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import GitopsError, RevertError
from raibid.gitops.files.locate import locate
from raibid.gitops.groups import HELM, KUSTOMIZE
from raibid.gitops.objects import Manifest, Ref, conditions_of, mappings, ref_of, spec_of, text
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Place, Verdict
from raibid.gitops.owner.sources import place_of
from raibid.gitops.owner.world import World
from raibid.gitops.revisions import sha_of
from raibid.gitops.rollback.commits import before_change
from raibid.gitops.rollback.decide import Facts
from raibid.gitops.rollback.facts import Source, of_helm_release, of_kustomization, source_of
from raibid.gitops.rollback.inputs import inputs_of
from raibid.gitops.rollback.look import look
from raibid.kube.errors import KubeNotFoundError

KUSTOMIZATION: Final = (KUSTOMIZE, "Kustomization")
HELM_RELEASE: Final = (HELM, "HelmRelease")


@dataclass(frozen=True)
class Reading:
    """One look at an object."""

    facts: Facts
    place: Place | None = None
    """None: what it reads is no branch of a Git repository, and nothing can be reverted."""
    paths: tuple[str, ...] = ()
    """What it reads there: directories, or the file that describes a HelmRelease."""
    inputs: tuple[Ref, ...] = ()
    """What else a Kustomization is built by."""


def read(cluster: Cluster, ref: Ref) -> Reading:
    """A Kustomization or HelmRelease as it is now.

    Raises:
        KubeNotFoundError: there is none. RevertError: another kind. KubeError.
    """
    world = World(cluster)
    if (ref.group, ref.kind) == KUSTOMIZATION:
        return _kustomization(world, _there(world, ref))
    if (ref.group, ref.kind) == HELM_RELEASE:
        return _helm_release(world, _there(world, ref))
    raise RevertError(f"{ref}: only a Kustomization or a HelmRelease of Flux is taken back")


def examine(reading: Reading, checkout: Checkout, *, now: datetime) -> Reading:
    """The same with what the branch says. Raises GitError."""
    facts, place = reading.facts, reading.place
    if place is None:
        return reading
    paths = reading.paths
    if facts.about.kind == "HelmRelease":
        try:
            file = locate(checkout.at, place.path, facts.about).file
        except GitopsError as error:
            return replace(reading, facts=replace(facts, source_trouble=str(error)))
        paths, facts = (file,), replace(facts, applied=before_change(checkout, facts.attempted, [file]))
    branch = look(checkout, paths, facts.applied, facts.attempted, about=facts.about, now=now, inputs=reading.inputs)
    return replace(reading, facts=replace(facts, branch=branch), paths=paths)


def _there(world: World, ref: Ref) -> Manifest:
    found = world.get(ref)
    if found is None:
        raise KubeNotFoundError("; ".join([*world.refused, f"{ref}: there is none"]))
    return found


def _kustomization(world: World, manifest: Manifest) -> Reading:
    found = place_of(world, manifest)
    facts = of_kustomization(
        manifest, _source(world, found.place, found.note), unready=tuple(_unready(world, manifest))
    )
    return Reading(facts, found.place, paths_of(manifest, found.place) if found.place else (), inputs_of(manifest))


def paths_of(kustomization: Manifest, place: Place) -> tuple[str, ...]:
    """What a Kustomization reads: its path, and the components that it adds itself."""
    added = spec_of(kustomization).get("components")
    components = [text(item) for item in added] if isinstance(added, list) else []
    return (place.path, *(posixpath.join(place.path, item) for item in components if item))


def _helm_release(world: World, manifest: Manifest) -> Reading:
    owned = find(world.cluster, ref_of(manifest))
    claim = owned.claim if owned.verdict is Verdict.MANAGED else None
    place = claim.place if claim else None
    note = "; ".join(owned.notes) or (claim.note if claim else "") or f"it is {owned.verdict}"
    attempted = sha_of(claim.chain[-1].applied) if claim and claim.chain else ""
    return Reading(of_helm_release(manifest, _source(world, place, note), attempted=attempted), place)


def _source(world: World, place: Place | None, note: str) -> Source:
    if place is None or place.source is None:
        return Source(trouble=note or "it is not Git")
    found = source_of(world.get(place.source))
    if not place.branch:
        return replace(found, trouble=place.note or "it follows no branch")
    return found


def _unready(world: World, manifest: Manifest) -> Iterator[str]:
    """What it depends on and says that it fails; what is just being tried is no reason to give up."""
    about = ref_of(manifest)
    for item in mappings(spec_of(manifest).get("dependsOn")):
        if item.get("readyExpr"):
            continue  # not Ready is what counts there
        ref = Ref(about.group, about.kind, text(item.get("namespace")) or about.namespace, text(item.get("name")))
        found = world.get(ref)
        ready = conditions_of(found).get("Ready") if found is not None else None
        if found is None or (ready is not None and ready.status == "False"):
            yield f"{ref.namespace}/{ref.name}"
