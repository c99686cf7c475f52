"""Which kinds a cluster serves, and which of them somebody means.

Owns: reading the API server's discovery, `deploy`, `Deployment`, `deployments.apps` → a kind.
Leaves to others: asking (`kube_cluster.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raibid.gitops.cluster import Kind
from raibid.gitops.errors import UnknownKindError
from raibid.gitops.objects import Manifest, Ref, mapping, metadata_of


def discovered(groups: Manifest) -> Iterator[Kind]:
    """Kinds of an APIGroupDiscoveryList (apidiscovery.k8s.io/v2, since Kubernetes 1.30), subresources left out.

    The first version of a group is its preferred one; a kind that only an older version has is in it, too.
    """
    for item in groups.get("items") or ():
        group, seen = str(metadata_of(item).get("name", "")), set()
        for version in item.get("versions") or ():
            for resource in version.get("resources") or ():
                kind = str(mapping(resource.get("responseKind")).get("kind", ""))
                if not kind or kind in seen:
                    continue
                seen.add(kind)
                yield Kind(
                    group,
                    str(version.get("version", "")),
                    kind,
                    str(resource.get("resource", "")),
                    resource.get("scope") == "Namespaced",
                    tuple(resource.get("shortNames") or ()),
                    str(resource.get("singularResource", "")),
                    frozenset(resource.get("verbs") or ()),
                )


def meant(typed: str, kinds: Sequence[Kind]) -> Kind:
    """The kind that somebody typed, as kubectl takes it: `deploy`, `deployments.apps`, `deployments.v1.apps`.

    Raises:
        UnknownKindError: none, or several groups have one.
    """
    name, _, group = typed.lower().partition(".")
    found = [
        kind
        for kind in kinds
        if name in (kind.kind.lower(), kind.plural, kind.singular, *kind.short)
        and group in ("", kind.group, f"{kind.version}.{kind.group}")
    ]
    # As kubectl does: what Kubernetes itself brings goes before what was added to it.
    built_in = [kind for kind in found if "." not in kind.group] or found
    if not built_in:
        raise UnknownKindError(f"the cluster serves no kind {typed}", "kubectl api-resources lists them")
    if len(built_in) > 1:
        names = ", ".join(sorted(f"{kind.plural}.{kind.group}" for kind in built_in))
        raise UnknownKindError(f"{typed} may be any of {names}", "say it with its group")
    return built_in[0]


def referred(typed: str, namespace: str, kinds: Sequence[Kind]) -> Ref:
    """The object of `KIND/NAME`; the namespace is dropped where the kind has none.

    Raises:
        UnknownKindError: as `meant`; or there is no name.
    """
    which, slash, name = typed.partition("/")
    if not slash or not name or "/" in name:
        raise UnknownKindError(f"{typed} is not KIND/NAME", "for example deployment/raibid-api")
    kind = meant(which, kinds)
    return Ref(kind.group, kind.kind, namespace if kind.namespaced else "", name)
