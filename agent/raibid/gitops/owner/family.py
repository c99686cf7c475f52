"""An object and what it belongs to: a Pod, its ReplicaSet, its Deployment.

Owns: following ownerReferences upwards, and where they lead nowhere.
Leaves to others: who applies any of them (`flux.py`, `argo.py`).
"""

from __future__ import annotations

from typing import Final

from raibid.gitops.objects import Manifest, Ref, mappings, metadata_of, owners_of, ref_of
from raibid.gitops.owner.world import World
from raibid.kube.errors import KubeNotFoundError

_DEEPEST: Final = 16
"""Operators stack three or four; references may also go round in a circle."""


def family_of(world: World, ref: Ref) -> tuple[Manifest, ...]:
    """The object itself first, then its ancestors, each the controlling owner of the one before.

    An object that is not there, or that we may not see, is a manifest with nothing but its name: an inventory may
    have it all the same.
    """
    family = [world.get(ref) or _only_named(ref)]
    while len(family) < _DEEPEST:
        above = _owner(world, family[-1])
        if above is None or ref_of(above) in {ref_of(one) for one in family}:
            break
        family.append(above)
    return tuple(family)


def _owner(world: World, manifest: Manifest) -> Manifest | None:
    named = owners_of(manifest)
    if not named:
        return None
    ref = _scoped(world, named[0])
    found = world.get(ref)
    if found is None:
        return _only_named(ref) if world.hidden(ref.group, ref.kind) else None
    if not _same(found, manifest):
        world.note(f"{ref_of(manifest)} names {ref} as its owner, but another object has that name now")
        return None
    return found


def _scoped(world: World, ref: Ref) -> Ref:
    """References do not say whether their kind is namespaced."""
    try:
        kind = world.cluster.kind(ref.group, ref.kind)
    except KubeNotFoundError:
        return ref
    return ref if kind.namespaced else Ref(ref.group, ref.kind, "", ref.name)


def _same(owner: Manifest, manifest: Manifest) -> bool:
    """Whether the object of that name is the one that was meant: names come back, uids do not."""
    meant = [item.get("uid") for item in mappings(metadata_of(manifest).get("ownerReferences"))]
    return metadata_of(owner).get("uid") in meant


def _only_named(ref: Ref) -> Manifest:
    # Of the version nothing depends: a Ref has none.
    return {
        "apiVersion": f"{ref.group}/v1" if ref.group else "v1",
        "kind": ref.kind,
        "metadata": {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})},
    }
