"""Where the variables of a Kustomization are looked for: only where their applier has them from."""

from __future__ import annotations

from typing import Any

import pytest
from raibid.gitops.change.site import source_of
from raibid.gitops.objects import Ref
from raibid.gitops.owner.ownership import Place

from tests.gitops.memory_cluster import MemoryCluster

FLUX, SOURCE = "kustomize.toolkit.fluxcd.io", "source.toolkit.fluxcd.io"
URL = "https://git.example/fleet.git"
VARS = Ref("", "ConfigMap", "flux-system", "cluster-vars")
HERE = Place(repository=URL, branch="main", path="apps")


def cluster(url: str = URL, *, owned: bool = True) -> MemoryCluster:
    def thing(api: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
        about = {"name": name, "namespace": "flux-system", **more.pop("metadata", {})}
        return {"apiVersion": api, "kind": kind, "metadata": about, **more}

    labels = {f"{FLUX}/name": "vars", f"{FLUX}/namespace": "flux-system"} if owned else {}
    inventory = {"entries": [{"id": "flux-system_cluster-vars__ConfigMap", "v": "v1"}] if owned else []}
    return MemoryCluster.of(
        thing("v1", "ConfigMap", "cluster-vars", metadata={"labels": labels}, data={"max": "3"}),
        thing(
            f"{FLUX}/v1",
            "Kustomization",
            "vars",
            spec={"path": "./clusters/dev", "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
            status={"inventory": inventory},
        ),
        thing(f"{SOURCE}/v1", "GitRepository", "fleet", spec={"url": url, "ref": {"branch": "main"}}),
    )


def test_variables_are_looked_for_where_their_own_applier_reads() -> None:
    found = source_of(cluster(), VARS, HERE)
    assert found.entry == "clusters/dev"
    assert found.keys == {"max"}


@pytest.mark.parametrize("other", [cluster(owned=False), cluster("https://git.example/other.git"), MemoryCluster()])
def test_variables_that_come_from_elsewhere_are_looked_for_nowhere(other: MemoryCluster) -> None:
    assert source_of(other, VARS, HERE).entry is None
