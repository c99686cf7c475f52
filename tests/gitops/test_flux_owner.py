"""Who owns an object of Flux: every shape is a file, whose first document is question and answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from raibid.gitops.kinds import referred
from raibid.gitops.objects import Ref, ref_of
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Claim, Ownership, Place, Verdict
from raibid.kube.errors import KubeNotFoundError

from tests.gitops.memory_cluster import MemoryCluster, documents

FLUX = Path(__file__).parent / "flux"
SHAPES = sorted((FLUX / "shapes").glob("*.yaml"))
_OBJECTS_OF_KINDS = {"kustomizations": ("kustomize.toolkit.fluxcd.io", "Kustomization")}


def asked(cluster: MemoryCluster, about: str) -> Ref:
    kind, namespace, name = about.split("/")
    if kind in _OBJECTS_OF_KINDS:
        return Ref(*_OBJECTS_OF_KINDS[kind], namespace, name)
    return referred(f"{kind}/{name}", namespace, cluster.kinds())


def answered(file: Path) -> tuple[dict[str, Any], Ownership, MemoryCluster]:
    expected, *objects = documents(file)
    refused = {name: frozenset(expected.get(name, ())) for name in ("refuse", "refuse_lists")}
    cluster = MemoryCluster.of(*documents(FLUX / "fleet.yaml"), *objects, **refused)
    return expected, find(cluster, asked(cluster, expected["about"])), cluster


def told(claim: Claim) -> list[str]:
    return [f"{owner.ref} by {owner.how}" for owner in claim.chain]


def of_place(place: Place | None) -> dict[str, str]:
    fields = ("repository", "branch", "path", "revision")
    return {name: getattr(place, name) for name in fields if getattr(place, name, "")}


def missing(expected: list[str], found: str) -> list[str]:
    return [part for part in expected if part not in found]


@pytest.mark.parametrize("file", SHAPES, ids=lambda file: file.stem)
def test_every_shape_has_the_owner_that_its_file_says(file: Path) -> None:
    expected, found, _ = answered(file)

    assert found.verdict == expected["verdict"]
    chains = expected.get("chains") or ([expected["chain"]] if "chain" in expected else [])
    assert [told(claim) for claim in found.claims] == chains
    assert not missing(expected.get("notes", []), " ".join(found.notes)), found.notes
    assert bool(found.notes) == bool(expected.get("notes")), found.notes
    if found.claim:
        assert str(found.claim.edit) == expected["edit"]
        assert of_place(found.claim.place) == expected.get("place", {})
        assert any(owner.suspended for owner in found.claim.chain) == expected.get("suspended", False)
        assert not missing(expected.get("note", []), found.claim.note), found.claim.note
        note = found.claim.place.note if found.claim.place else ""
        assert not missing(expected.get("place_note", []), note), note
        assert [place.path for place in found.claim.others] == expected.get("others", [])


TRAPS = ("equal names and an equal path", "the destination's namespace", "the group fluxcd.io", "kustomize's own kind")


@pytest.mark.parametrize("trap", documents(FLUX / "fleet.yaml")[1:], ids=TRAPS)
def test_what_naive_tools_match_by_owns_nothing(trap: dict[str, Any]) -> None:
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "podinfo", "namespace": "web"}}

    found = find(MemoryCluster.of(trap, about), ref_of(about))

    assert found.verdict is Verdict.UNMANAGED


@pytest.mark.parametrize("file", SHAPES, ids=lambda file: file.stem)
def test_nothing_but_appliers_is_ever_listed(file: Path) -> None:
    *_, cluster = answered(file)

    listed = {kind for verb, kind in cluster.asked if verb == "list"}
    assert listed <= {"Kustomization", "HelmRelease", "ResourceSet", "FluxInstance", "Application"}


@pytest.mark.parametrize("file", SHAPES, ids=lambda file: file.stem)
def test_no_answer_has_a_password_in_it(file: Path) -> None:
    _, found, _ = answered(file)
    assert "s3cret" not in repr(found)


def test_an_object_that_is_nowhere_is_not_found() -> None:
    with pytest.raises(KubeNotFoundError, match="there is none"):
        find(MemoryCluster.of(*documents(FLUX / "fleet.yaml")), Ref("apps", "Deployment", "web", "podinfo"))


RECORDED = [file for file in sorted((FLUX.parent / "recorded").glob("*.yaml")) if "- id:" in file.read_text()]


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_what_a_real_kustomize_controller_applied_is_owned_by_that_kustomization(file: Path) -> None:
    _, *objects = documents(file)
    for one in objects:
        for item in one.get("status", {}).get("inventory", {}).get("entries", ()):
            namespace, name, group, kind = item["id"].split("_")
            cluster = MemoryCluster.of(*objects)
            cluster.serve(f"{group}/v1" if group else "v1", kind, namespaced=bool(namespace))

            claim = find(cluster, Ref(group, kind, namespace, name)).claim

            assert claim
            assert claim.chain[-1].ref == ref_of(one)
            assert claim.place
            assert claim.place.path == one["spec"]["path"].removeprefix("./")
