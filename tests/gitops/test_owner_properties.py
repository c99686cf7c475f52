"""What holds for every cluster: an owner has the object in its inventory, and strangers' values end no walk."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.objects import Manifest, Ref, ref_of
from raibid.gitops.owner.find import find
from raibid.gitops.owner.flux import APPLIERS, Applier
from raibid.gitops.owner.inventory import entries, entry, has
from raibid.gitops.owner.ownership import Tool, Verdict

from tests.gitops.memory_cluster import MemoryCluster

SOURCE = "source.toolkit.fluxcd.io"
NAMES = st.sampled_from(["web", "podinfo", "apps", "a"])
CLUSTER_ROLE = ("rbac.authorization.k8s.io", "ClusterRole")
RBAC = st.builds(
    lambda name: Ref(*CLUSTER_ROLE, "", name), st.from_regex(r"[a-z]([a-z.:-]{0,4}[a-z])?", fullmatch=True)
)
KINDS = st.sampled_from([("apps", "Deployment"), ("apps", "ReplicaSet"), ("", "Pod"), ("example.com", "Deployment")])
REFS = st.builds(lambda kind, namespace, name: Ref(kind[0], kind[1], namespace, name), KINDS, NAMES, NAMES)
OWNED = st.sampled_from(APPLIERS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def manifest(ref: Ref, **fields: Any) -> dict[str, Any]:
    version = f"{ref.group}/v1" if ref.group else "v1"
    metadata = {"name": ref.name, "namespace": ref.namespace, "uid": str(ref), **fields.pop("metadata", {})}
    return {"apiVersion": version, "kind": ref.kind, "metadata": metadata, **fields}


@st.composite
def objects(draw: st.DrawFn) -> list[Manifest]:
    """Objects with labels and owners that may be true or not."""
    made: list[Manifest] = []
    for ref in draw(st.lists(REFS, min_size=1, max_size=6, unique=True)):
        metadata: dict[str, Any] = {}
        for kind in draw(st.lists(OWNED, max_size=2)):
            named = {f"{kind.labels}/name": draw(NAMES), f"{kind.labels}/namespace": draw(NAMES)}
            metadata["labels"] = metadata.get("labels", {}) | named
        if draw(st.booleans()):
            above = draw(REFS)
            version = f"{above.group}/v1" if above.group else "v1"
            owner = {"apiVersion": version, "kind": above.kind, "name": above.name, "uid": str(above)}
            metadata["ownerReferences"] = [owner]
        made.append(manifest(ref, metadata=metadata))
    return made


@st.composite
def appliers(draw: st.DrawFn) -> list[Manifest]:
    """Appliers with inventories of objects and of each other; some are for another cluster."""
    made: list[Manifest] = []
    kinds = st.tuples(OWNED, NAMES, NAMES)
    for kind, namespace, name in draw(st.lists(kinds, max_size=6, unique=True)):
        ids = [entry(ref) for ref in draw(st.lists(REFS | st.builds(applier_ref, OWNED, NAMES, NAMES), max_size=6))]
        spec = {"kubeConfig": {"secretRef": {"name": "far"}}} if draw(st.integers(0, 4)) == 0 else {}
        status = {"inventory": {"entries": [{"id": found, "v": "v1"} for found in ids]}}
        made.append(manifest(applier_ref(kind, namespace, name), spec=spec, status=status))
    return made


def applier_ref(kind: Applier, namespace: str, name: str) -> Ref:
    return Ref(kind.group, kind.kind, namespace, name)


@given(objects(), appliers(), REFS)
def test_an_owner_has_the_object_or_what_it_belongs_to_in_its_inventory(
    live: list[Manifest], owning: list[Manifest], about: Ref
) -> None:
    cluster = MemoryCluster.of(manifest(about), *live, *owning)

    for claim in find(cluster, about).claims:
        below = about
        for owner in claim.chain:
            if owner.tool is Tool.FLUX:
                assert entry(below) in entries(cluster.get(owner.ref))
                assert "kubeConfig" not in cluster.get(owner.ref)["spec"]
            else:
                assert str(owner.ref) in [one["uid"] for one in cluster.get(below)["metadata"]["ownerReferences"]]
            below = owner.ref


@given(objects(), appliers(), REFS)
def test_an_object_in_an_inventory_of_this_cluster_is_never_called_unmanaged(
    live: list[Manifest], owning: list[Manifest], about: Ref
) -> None:
    having = [one for one in owning if entry(about) in entries(one) and not one["spec"]]
    found = find(MemoryCluster.of(manifest(about), *live, *owning), about)

    if having:
        assert {claim.chain[0].ref for claim in found.claims} == {ref_of(one) for one in having}
        assert (found.verdict is Verdict.MANAGED) == (len(found.claims) == 1)


@given(st.lists(REFS | RBAC, min_size=2, max_size=2, unique=True))
def test_two_objects_never_have_the_same_id(refs: list[Ref]) -> None:
    assert entry(refs[0]) != entry(refs[1])


def test_only_two_underscores_in_a_name_of_rbac_are_taken_for_a_colon_as_flux_does() -> None:
    assert entry(Ref(*CLUSTER_ROLE, "", "a__b")) == entry(Ref(*CLUSTER_ROLE, "", "a:b"))


@given(RBAC, RBAC, NAMES | st.just(""))
def test_a_chart_namespace_never_makes_another_cluster_role_ones_own(asked: Ref, there: Ref, namespace: str) -> None:
    listed = entry(Ref(there.group, there.kind, namespace, there.name))
    release = manifest(applier_ref(APPLIERS[1], "web", "a"), status={"inventory": {"entries": [{"id": listed}]}})
    assert has(release, asked) is (asked == there)


@given(spec=JSON, status=JSON, entries_=JSON, source=JSON, metadata=JSON, kind=OWNED)
def test_whatever_strangers_wrote_there_is_an_answer(
    spec: Any, status: Any, entries_: Any, source: Any, metadata: Any, kind: Applier
) -> None:
    about = Ref("apps", "Deployment", "web", "podinfo")
    said = {"labels": metadata, "annotations": metadata}
    fields = ("path", "chart", "valuesFrom", "suspend", "chartRef", "patches")
    strange = {"sourceRef": source, **dict.fromkeys(fields, spec)}
    having = {"inventory": {"entries": [{"id": entry(about)}, entries_]}, "history": status}
    cluster = MemoryCluster.of(
        manifest(about, metadata={**said, "ownerReferences": entries_}),
        manifest(applier_ref(kind, "web", "a"), metadata=said, spec=strange, status=having),
        manifest(applier_ref(kind, "web", "b"), metadata=said, spec=spec, status=status),
        manifest(Ref(SOURCE, "GitRepository", "web", "a"), spec=spec, status=status),
    )

    found = find(cluster, about)

    assert found.claims[0].chain[0].ref == applier_ref(kind, "web", "a")


@given(url=JSON, ref=JSON, include=JSON, revision=JSON, kind=st.sampled_from(["GitRepository", "ExternalArtifact"]))
def test_whatever_a_source_says_there_is_a_place_or_a_note(
    url: Any, ref: Any, include: Any, revision: Any, kind: str
) -> None:
    about = Ref("apps", "Deployment", "web", "podinfo")
    applier = applier_ref(APPLIERS[0], "web", "a")
    spec = {"url": url, "ref": ref, "include": [include], "sourceRef": {"kind": "ArtifactGenerator", "name": "g"}}
    generator = {
        "artifacts": [{"name": "s", "copy": [include, ref]}],
        "sources": [url, {"alias": "a", **_mapping(ref)}],
    }
    having = {"entries": [{"id": entry(about)}]}
    cluster = MemoryCluster.of(
        manifest(about),
        manifest(applier, spec={"sourceRef": {"kind": kind, "name": "s"}, "path": url}, status={"inventory": having}),
        manifest(Ref(SOURCE, kind, "web", "s"), spec=spec, status={"artifact": {"revision": revision}}),
        manifest(Ref("source.extensions.fluxcd.io", "ArtifactGenerator", "web", "g"), spec=generator),
    )

    (claim,) = find(cluster, about).claims

    assert claim.place or claim.note


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
