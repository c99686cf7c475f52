"""Flux' claims: whose inventory has an object, and what one edits then.

Owns: Kustomization, HelmRelease, ResourceSet and FluxInstance of any version; labels against inventories.
Leaves to others: the way on from a HelmRelease to Git (`find.py`), sources (`sources.py`), charts (`chart.py`).

Only an applier's own status proves something: its inventory, the release or the HelmChart that it names. Labels
are copied by templates and stripped by webhooks; equal names, paths and destination namespaces are chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from raibid.gitops.groups import HELM, KUSTOMIZE, OPERATOR, SOURCE
from raibid.gitops.objects import Manifest, Ref, annotations_of, labels_of, mappings, ref_of, spec_of, status_of, text
from raibid.gitops.owner.chart import described_chart
from raibid.gitops.owner.helm_storage import HelmStorageError, name_of, namespace_of, rendered, renders, secret_of
from raibid.gitops.owner.inventory import entries, has
from raibid.gitops.owner.ownership import Claim, Owner, Tool
from raibid.gitops.owner.sources import joined, place_of
from raibid.gitops.owner.world import World
from raibid.gitops.revisions import sha_of


@dataclass(frozen=True)
class Applier:
    """A kind that applies objects and remembers which."""

    group: str
    kind: str
    labels: str
    """Before `/name` and `/namespace` on everything that it applies."""


APPLIERS: Final = (
    Applier(KUSTOMIZE, "Kustomization", KUSTOMIZE),
    Applier(HELM, "HelmRelease", HELM),
    Applier(OPERATOR, "ResourceSet", f"resourceset.{OPERATOR}"),
    Applier(OPERATOR, "FluxInstance", OPERATOR),
)
"""Kustomizations first: of two that claim an object, theirs is told first."""


def claims(world: World, chain: Sequence[Manifest]) -> list[Claim]:
    """Every Flux applier with the nearest object of the chain in its inventory."""
    found: list[Claim] = []
    reached = 0
    for reached, manifest in enumerate(chain, start=1):
        found = [
            _claim(world, chain[:reached], kind, applier, how)
            for kind in APPLIERS
            for applier, how in _having(world, kind, manifest)
        ]
        if found:
            break
    # A Pod has the labels of its template, which are its Deployment's: those are no news.
    claiming = {claim.chain[-1].ref for claim in found}
    for manifest in chain[:reached]:
        _copied(world, manifest, claiming)
    return found


def _having(world: World, kind: Applier, manifest: Manifest) -> Iterator[tuple[Manifest, str]]:
    """Appliers of a kind that have the object, and what proves it."""
    ref, named = ref_of(manifest), _named(kind, manifest)
    known = dict(world.all(kind.group, kind.kind))
    if named and named not in known and (alone := world.get(named)):
        known[named] = alone  # a Role may allow to get the one and not to list all
    for applier_ref, applier in known.items():
        if has(applier, ref):
            how = "inventory"
        elif kind.group == HELM and ref == _made_chart(applier):
            how = "status.helmChart"
        elif kind.group == HELM and _suspected(applier, manifest, named) and _stored(world, applier, ref):
            how = "release"
        else:
            continue
        if spec_of(applier).get("kubeConfig"):
            world.note(f"{applier_ref} has an object of that name in its inventory, but in another cluster")
            continue
        yield applier, how


def _made_chart(release: Manifest) -> Ref | None:
    """The HelmChart that helm-controller made for a release's `chart`: in its status, and in no inventory."""
    namespace, _, name = text(status_of(release).get("helmChart")).partition("/")
    return Ref(SOURCE, "HelmChart", namespace, name) if name and not spec_of(release).get("chartRef") else None


def _named(kind: Applier, manifest: Manifest) -> Ref | None:
    """The applier that labels name."""
    labels = labels_of(manifest)
    name, namespace = labels.get(f"{kind.labels}/name"), labels.get(f"{kind.labels}/namespace")
    if not isinstance(name, str) or not isinstance(namespace, str):
        return None
    return Ref(kind.group, kind.kind, namespace, name)


def _suspected(release: Manifest, manifest: Manifest, named: Ref | None) -> bool:
    """Whether it is worth to read the release's Secret: without an inventory, and by Flux' labels or Helm's own."""
    if entries(release):
        return False
    annotations = annotations_of(manifest)
    said = (annotations.get("meta.helm.sh/release-name"), annotations.get("meta.helm.sh/release-namespace"))
    return ref_of(release) == named or said == (name_of(release), namespace_of(release))


def _stored(world: World, release: Manifest, ref: Ref) -> bool:
    secret_ref = secret_of(release)
    secret = world.get(secret_ref) if secret_ref else None
    if secret is None:
        if secret_ref and world.hidden("", "Secret"):
            world.note(f"{ref_of(release)} has no inventory, and its release is in {secret_ref}, which we may not see")
        return False
    try:
        return renders(rendered(secret), ref, namespace_of(release))
    except HelmStorageError as error:
        world.note(f"{secret_ref}: {error}")
        return False


def _copied(world: World, manifest: Manifest, claiming: set[Ref]) -> None:
    """Say of labels that nothing confirms what they are."""
    ref = ref_of(manifest)
    for kind in APPLIERS:
        named = _named(kind, manifest)
        if named is None or named in claiming:
            continue
        if world.get(named) is not None:
            world.note(f"{ref} has labels of {named}, whose inventory does not have it: they were copied")
        elif not world.hidden(kind.group, kind.kind):
            world.note(f"{ref} has labels of {named}, which does not exist")


def _claim(world: World, family: Sequence[Manifest], kind: Applier, applier: Manifest, how: str) -> Claim:
    owners = [Owner(ref=ref_of(parent), tool=None, how="ownerReference") for parent in family[1:]]
    ref, claimed = ref_of(applier), family[-1]
    owner = Owner(ref=ref, tool=Tool.FLUX, how=how, suspended=_suspended(applier), applied=_applied(applier))
    chain = (*owners, owner)
    if kind.group == KUSTOMIZE:
        found = place_of(world, applier)
        note = joined(found.note, _left_alone(claimed))
        return Claim(chain=chain, edit=ref_of(claimed), place=found.place, note=note, others=found.others)
    # What is rendered from a chart, a template or a distribution has no file of its own: its owner's manifest does.
    note = described_chart(world, applier) if kind.group == HELM else f"made by {ref}"
    return Claim(chain=chain, edit=ref, place=None, note=note)


def _left_alone(manifest: Manifest) -> str:
    """What the object itself says to Flux, which then does not apply what Git says."""
    said = annotations_of(manifest)
    for name, values in ((f"{KUSTOMIZE}/reconcile", ("disabled",)), (f"{KUSTOMIZE}/ssa", ("ignore", "ifnotpresent"))):
        if str(said.get(name, "")).lower() in values:
            return f"annotated {name}: {said[name]}, so that Flux does not apply changes of Git"
    return ""


def _suspended(applier: Manifest) -> bool:
    said = str(annotations_of(applier).get(f"{OPERATOR}/reconcile", "")).lower()
    return spec_of(applier).get("suspend") is True or said == "disabled"


def _applied(applier: Manifest) -> str:
    """The commit, where there is one: an artifact's own revision is a checksum that nobody knows."""
    status = status_of(applier)
    latest = mappings(status.get("history"))[:1]
    chart = "".join(text(release.get("chartVersion")) for release in latest)
    revision = text(status.get("lastAppliedOriginRevision")) or text(status.get("lastAppliedRevision"))
    return chart or sha_of(revision) or revision
