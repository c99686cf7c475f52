"""What the walk from an object to Git asks of the API server: appliers are listed, objects never are."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest
from raibid.gitops.kube_cluster import KubeCluster
from raibid.gitops.objects import Ref
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Verdict

from tests.bench.owner import objects
from tests.gitops.api_server import ApiServer
from tests.gitops.memory_cluster import MemoryCluster

POD = Ref("", "Pod", "team-7", "app-7-0-abc")
APPLIERS = {"kustomizations", "helmreleases", "resourcesets", "fluxinstances", "applications"}


def asked(count: int) -> list[str]:
    """Paths, in a cluster of so many objects and 50 Kustomizations."""
    with (
        ApiServer(MemoryCluster.of(*objects(count))) as server,
        KubeCluster(httpx2.Client(base_url=server.url)) as cluster,
    ):
        found = find(cluster, POD)
        assert found.verdict is Verdict.MANAGED
        assert str(found.claims[0].chain[-1].ref) == "Kustomization/flux-system/team-7"
        return server.asked


@pytest.fixture(scope="module")
def asked_of_5_000() -> list[str]:
    return asked(5_000)


def test_as_much_is_asked_of_5_000_objects_as_of_500(asked_of_5_000: list[str]) -> None:
    assert asked_of_5_000 == asked(500)


def test_nothing_but_appliers_is_listed_of_5_000_objects(asked_of_5_000: list[str]) -> None:
    read = [path.strip("/").split("/") for path in asked_of_5_000 if path not in ("/api", "/apis")]
    named: Callable[[list[str]], bool] = lambda parts: "namespaces" in parts  # noqa: E731
    assert {parts[-1] for parts in read if not named(parts)} <= APPLIERS
    assert [parts[-1] for parts in read if named(parts)] == ["app-7-0-abc", "app-7-0-abc", "app-7-0", "fleet"]
