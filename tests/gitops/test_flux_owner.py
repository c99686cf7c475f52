"""Who owns an object of Flux: every shape is a file, whose first document is question and answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from raibid.gitops.kinds import referred
from raibid.gitops.objects import Ref
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Claim, Ownership, Place

from tests.gitops.memory_cluster import MemoryCluster, documents

FLUX = Path(__file__).parent / "flux"
SHAPES = sorted((FLUX / "shapes").glob("*.yaml"))
_OBJECTS_OF_KINDS = {"kustomizations": ("kustomize.toolkit.fluxcd.io", "Kustomization")}


def asked(cluster: MemoryCluster, about: str) -> Ref:
    kind, namespace, name = about.split("/")
    if kind in _OBJECTS_OF_KINDS:
        return Ref(*_OBJECTS_OF_KINDS[kind], namespace, name)
    return referred(f"{kind}/{name}", namespace, cluster.kinds())


def answered(file: Path, **how: Any) -> tuple[dict[str, Any], Ownership]:
    expected, *objects = documents(file)
    cluster = MemoryCluster.of(*documents(FLUX / "fleet.yaml"), *objects, **how)
    return expected, find(cluster, asked(cluster, expected["about"]))


def told(claim: Claim) -> list[str]:
    return [f"{owner.ref} by {owner.how}" for owner in claim.chain]


def of_place(place: Place | None) -> dict[str, str]:
    fields = ("repository", "branch", "path", "revision")
    return {name: getattr(place, name) for name in fields if getattr(place, name, "")}


def missing(expected: list[str], found: str) -> list[str]:
    return [part for part in expected if part not in found]


@pytest.mark.parametrize("file", SHAPES, ids=lambda file: file.stem)
def test_every_shape_has_the_owner_that_its_file_says(file: Path) -> None:
    expected, found = answered(file)

    assert found.verdict == expected["verdict"]
    chains = expected.get("chains") or ([expected["chain"]] if "chain" in expected else [])
    assert [told(claim) for claim in found.claims] == chains
    assert not missing(expected.get("notes", []), " ".join(found.notes)), found.notes
    if found.claim:
        assert str(found.claim.edit) == expected["edit"]
        assert of_place(found.claim.place) == expected.get("place", {})
        assert any(owner.suspended for owner in found.claim.chain) == expected.get("suspended", False)
        assert not missing(expected.get("note", []), found.claim.note), found.claim.note


@pytest.mark.parametrize("file", SHAPES, ids=lambda file: file.stem)
def test_nothing_but_appliers_is_ever_listed(file: Path) -> None:
    expected, *objects = documents(file)
    cluster = MemoryCluster.of(*documents(FLUX / "fleet.yaml"), *objects)

    find(cluster, asked(cluster, expected["about"]))

    listed = {kind for verb, kind in cluster.asked if verb == "list"}
    assert listed <= {"Kustomization", "HelmRelease", "ResourceSet", "FluxInstance", "Application"}
