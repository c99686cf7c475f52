"""Who owns an object, as Argo CD says it: the Applications that manage it, and where they read from.

Owns: what proves an Application's claim, the chain from the object to it, Applications of
Applications, ApplicationSets.
Leaves to others: the marks (`argo_tracking.py`), the sources (`argo_sources.py`), Flux (`flux.py`), the files.

A claim counts only if the Application deploys to this cluster, and its status lists the object by group, kind,
namespace and name; a tracking id counts alone as long as the Application has not compared since the object is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from raibid.gitops.groups import ARGOCD
from raibid.gitops.objects import (
    Manifest,
    Ref,
    annotations_of,
    labels_of,
    mapping,
    mappings,
    metadata_of,
    moment,
    owners_of,
    ref_of,
    spec_of,
    status_of,
    text,
)
from raibid.gitops.owner.argo_sets import generated
from raibid.gitops.owner.argo_sources import revisions, sources
from raibid.gitops.owner.argo_tracking import (
    APPLICATION,
    APPLICATION_SET,
    INSTALLATION_ID,
    INSTANCE_LABEL,
    LABEL_LENGTH,
    Entry,
    TrackingId,
    entry,
    is_about,
)
from raibid.gitops.owner.ownership import Claim, Owner, Tool
from raibid.gitops.owner.world import World

IN_CLUSTER: Final = "in-cluster"
IN_CLUSTER_SERVER: Final = "https://kubernetes.default.svc"
SKIP_RECONCILE: Final = "argocd.argoproj.io/skip-reconcile"
SETTINGS: Final = "argocd-cm"


@dataclass(frozen=True, kw_only=True)
class _Proof:
    """Why an Application owns an object."""

    application: Manifest
    how: str
    notes: tuple[str, ...] = ()


def claims(world: World, ancestry: Sequence[Manifest]) -> list[Claim]:
    """Argo CD's claims to an object: the nearest of it and its ownerReference ancestors that any Application has."""
    for depth, manifest in enumerate(ancestry):
        above = tuple(Owner(ref=ref_of(item), tool=None, how="ownerReference") for item in ancestry[1 : depth + 1])
        if above and _is_set(above[-1].ref):
            return [generated(manifest, above[:-1])]
        found = [_claim(world, manifest, proof, above) for proof in _proofs(world, manifest, ancestry)]
        if found:
            return found
    return []


def is_suspended(application: Manifest) -> bool:
    """Whether nothing is applied unless somebody asks: no automated sync, or the controller is told to skip it."""
    automated = mapping(spec_of(application).get("syncPolicy")).get("automated")
    manual = not isinstance(automated, dict) or automated.get("enabled") is False
    return manual or text(annotations_of(application).get(SKIP_RECONCILE)) == "true"


def _proofs(world: World, manifest: Manifest, ancestry: Sequence[Manifest]) -> list[_Proof]:
    """The Applications that own it; what looks like one and is none becomes a note."""
    ref, mark = ref_of(manifest), TrackingId.of(manifest)
    copy = mark if mark and not is_about(mark.about, ref) else None
    if mark and copy:
        # A Deployment's annotations are copied to its ReplicaSets: that says nothing new, and needs no note.
        if not any(is_about(mark.about, ref_of(item)) for item in ancestry):
            world.note(f"{ref} carries a copy: its tracking id {mark} is about {mark.about}")
        mark = None
    applications = world.all(ARGOCD, APPLICATION)
    found, named = [], False
    for application in applications.values():
        argocd = text(status_of(application).get("controllerNamespace"))
        about = ref_of(application)
        tracked = mark is not None and mark.names(about, argocd=argocd)
        copied = copy is not None and copy.names(about, argocd=argocd)
        named = named or tracked
        proof = _proof(world, manifest, application, tracked=tracked, copied=copied)
        if proof:
            found.append(proof)
    if mark and not named and applications:
        world.note(f"{ref} has the tracking id {mark}, and there is no such Application")
    if not mark and not found:
        _note_label(world, manifest)
    return found


def _proof(world: World, manifest: Manifest, application: Manifest, *, tracked: bool, copied: bool) -> _Proof | None:
    ref, about = ref_of(manifest), ref_of(application)
    listed = entry(application, ref, copied=copied)
    if not (tracked or listed):
        return None
    other = elsewhere(application)
    if other:
        # Every cluster has its kube-system: only a mark on this very object is worth a word.
        if tracked:
            world.note(f"{about} deploys to {other}, not to this cluster")
        return None
    if listed:
        labelled = not tracked and _label(world, manifest, application)
        how = "tracking-id" if tracked else "label and status.resources" if labelled else "status.resources"
        return _Proof(application=application, how=how, notes=tuple(_about(listed)))
    if _compared_since(application, manifest):
        world.note(f"{about} has compared since {ref} is there, and does not list it: the tracking id is a leftover")
        return None
    if not _same_installation(world, manifest, application):
        if world.hidden("", "ConfigMap"):
            world.note(f"{ref} has an installation id, which cannot be compared with that of {about}")
            return None
        world.note(f"{ref} was applied by another Argo CD than the one of {about} (its installation id differs)")
        return None
    return _Proof(application=application, how="tracking-id", notes=(f"{about} has not compared it yet",))


def _about(listed: Entry) -> Iterator[str]:
    if listed.pruned:
        yield "it is no longer in Git, and goes with the next sync that prunes"
    if not listed.status:
        yield "it is a hook: applied anew with each sync"


def _claim(world: World, manifest: Manifest, proof: _Proof, above: tuple[Owner, ...]) -> Claim:
    application, found = proof.application, sources(proof.application)
    ref, edit, places = ref_of(application), ref_of(manifest), (*found.places, *found.values)
    notes = [*proof.notes, *found.notes]
    if found.chart and not found.places:
        # It has no file of its own: the chart's values do, in another source or in the Application's own manifest.
        edit = ref
        notes.append(f"the chart {found.chart} renders it")
    else:
        notes += _described_by(world, application)
    if found.chart and found.places:
        notes.append(f"what no file describes comes from the chart {found.chart}")
    if not found.chart and not places:
        notes.append(f"{ref} names no source")
    return Claim(
        chain=(*above, _owner(application, proof.how)),
        edit=edit,
        place=places[0] if places else None,
        note="; ".join(notes),
        others=places[1:],
    )


def _owner(application: Manifest, how: str) -> Owner:
    operation = mapping(status_of(application).get("operationState"))
    result = mapping(operation.get("syncResult")) if text(operation.get("phase")) == "Succeeded" else {}
    return Owner(
        ref=ref_of(application),
        tool=Tool.ARGOCD,
        how=how,
        suspended=is_suspended(application),
        applied=", ".join(filter(None, revisions(result, len(mappings(result.get("sources"))) or 1))),
    )


def _described_by(world: World, application: Manifest) -> Iterator[str]:
    """Where one edits the Application itself, which is not where one edits what it deploys."""
    ref = ref_of(application)
    for proof in _proofs(world, application, [application]):
        if ref_of(proof.application) != ref:
            yield f"{ref} is itself described by {ref_of(proof.application)}"
    for owner in owners_of(application):
        if _is_set(owner):
            yield f"{ref} is generated by {owner}: its source is set in that template or generator"


def _is_set(ref: Ref) -> bool:
    return (ref.group, ref.kind) == (ARGOCD, APPLICATION_SET)


def elsewhere(application: Manifest) -> str:
    """The other cluster that it deploys to; empty: it is this one."""
    destination = mapping(spec_of(application).get("destination"))
    name, server = text(destination.get("name")), text(destination.get("server")).rstrip("/")
    if name == IN_CLUSTER or (not name and server == IN_CLUSTER_SERVER):
        return ""
    return name or server or "no cluster"


def _compared_since(application: Manifest, manifest: Manifest) -> bool:
    compared = moment(status_of(application).get("reconciledAt"))
    created = moment(metadata_of(manifest).get("creationTimestamp"))
    return compared is not None and (created is None or compared > created)


def _settings(world: World, application: Manifest) -> Manifest:
    """`argocd-cm` of the Argo CD that runs it."""
    namespace = text(status_of(application).get("controllerNamespace")) or ref_of(application).namespace
    return mapping((world.get(Ref("", "ConfigMap", namespace, SETTINGS)) or {}).get("data"))


def _same_installation(world: World, manifest: Manifest, application: Manifest) -> bool:
    said = text(annotations_of(manifest).get(INSTALLATION_ID))
    return said == text(_settings(world, application).get("installationID"))


def _label(world: World, manifest: Manifest, application: Manifest) -> bool:
    """Whether the object has the Application's label; Argo CD may be set to another key than Helm's."""
    key = text(_settings(world, application).get("application.instanceLabelKey")) or INSTANCE_LABEL
    ref = ref_of(application)
    value = text(labels_of(manifest).get(key))
    return value in {name[:LABEL_LENGTH] for name in (ref.name, f"{ref.namespace}_{ref.name}")}


def _note_label(world: World, manifest: Manifest) -> None:
    """Say why a label that names an Application makes it no owner."""
    value = text(labels_of(manifest).get(INSTANCE_LABEL))
    for ref in world.all(ARGOCD, APPLICATION):
        if value and value == ref.name:
            world.note(
                f"the label {INSTANCE_LABEL} of {ref_of(manifest)} names {ref}, whose status does not list the object: "
                "charts set the same label"
            )
