"""Inventories: what an applier says it has applied.

Owns: an object's id as cli-utils writes it (`<namespace>_<name>_<group>_<kind>`), whether an inventory has it.
Leaves to others: whose inventory it is (`flux.py`), Helm's own records (`helm_storage.py`).
"""

from __future__ import annotations

from typing import Final

from raibid.gitops.objects import Manifest, Ref, mapping, mappings, ref_of, status_of, text

_RBAC: Final = "rbac.authorization.k8s.io"
_WITH_COLONS: Final = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})


def entry(ref: Ref) -> str:
    """The id of an object. RBAC's names may have colons, which are written as `__`.

    Ids are made and compared, never taken apart: what somebody else wrote is then at worst an id of nothing. A limit
    that is Flux's own: RBAC's names may have underscores as well, so that `a__b` and `a:b` share an id.
    """
    name = ref.name.replace(":", "__") if ref.group == _RBAC and ref.kind in _WITH_COLONS else ref.name
    return f"{ref.namespace}_{name}_{ref.group}_{ref.kind}"


def has(applier: Manifest, ref: Ref) -> bool:
    """Whether an applier's inventory has an object.

    helm-controller keeps a namespace that a chart writes into a ClusterRole (setNamespaces), so that what belongs to
    none may be in a HelmRelease's inventory with any.
    """
    wanted, found = entry(ref), entries(applier)
    if ref.namespace or ref_of(applier).kind != "HelmRelease":
        return wanted in found
    return any(one.endswith(wanted) and "_" not in one.removesuffix(wanted) for one in found)


def entries(applier: Manifest) -> list[str]:
    """The ids in `status.inventory` of a Kustomization, HelmRelease (since Flux 2.8), ResourceSet or FluxInstance."""
    found = mapping(status_of(applier).get("inventory")).get("entries")
    return [text(item.get("id")) for item in mappings(found)]
