"""Quotas and limits on a real API server: the budget's maximum fits to the last pod, and nothing beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from components import apps
from components.budget import Budget
from components.systems import budget_of
from components.units import GI, MI
from policies.rule import AGENTS
from tests.cluster.tree.api import Api, Manifest
from tests.cluster.tree.emitted import EmittedCluster
from tests.cluster.tree.plain_pod import pod
from tests.waiting import until


def budget(cluster: EmittedCluster) -> Budget:
    return budget_of(cluster.tree.settings)


def claim(name: str, namespace: str, size: int) -> Manifest:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": str(size)}}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


@contextmanager
def gone_afterwards(api: Api, *manifests: Manifest) -> Iterator[None]:
    """Whatever of these there is ends with the block; nothing runs on a cluster without nodes."""
    try:
        yield
    finally:
        for manifest in manifests:
            api.delete(manifest, grace=0)


def in_place(cluster: EmittedCluster, namespace: str) -> None:
    """Return when the namespace's own workloads have their pods, so that all that is left of its quota is free."""
    until(lambda: not missing(cluster.api, namespace), f"the workloads of {namespace} have their pods")


def missing(api: Api, namespace: str) -> list[str]:
    """Workloads whose pods the controllers have not made, or were not let make."""
    kinds = [("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")]
    found = [item for version, kind in kinds for item in api.list(version, kind, namespace)]
    return [item["metadata"]["name"] for item in found if item["status"].get("replicas", 0) != item["spec"]["replicas"]]


def test_every_workload_of_a_stack_gets_its_pods(emitted_cluster: EmittedCluster) -> None:
    in_place(emitted_cluster, "")


def test_the_agents_of_the_budget_are_let_in_and_not_one_more(emitted_cluster: EmittedCluster) -> None:
    api, proved = emitted_cluster.api, budget(emitted_cluster)
    in_place(emitted_cluster, AGENTS)
    agents = [emitted_cluster.agent(f"agent-{number}") for number in range(proved.agents.total)]
    with gone_afterwards(api, *agents):
        assert {api.create(agent).said for agent in agents} == {""}
        refused = api.create(emitted_cluster.agent("one-too-many"))
        assert refused.status == 403
        assert "exceeded quota: budget" in refused.said


def test_an_app_as_large_as_the_room_for_apps_is_let_in(emitted_cluster: EmittedCluster) -> None:
    room = budget(emitted_cluster).quotas[apps.NAMESPACE]
    whole = pod("whole", apps.NAMESPACE, cpu=room.cpu, memory=room.memory)
    assert emitted_cluster.api.create(whole, dry_run=True).said == ""


def test_an_app_that_is_too_large_is_refused(emitted_cluster: EmittedCluster) -> None:
    room = budget(emitted_cluster).quotas[apps.NAMESPACE]
    too_fast = pod("large", apps.NAMESPACE, cpu=room.cpu + 1, memory=room.memory)
    assert "exceeded quota: budget" in emitted_cluster.api.create(too_fast, dry_run=True).said
    too_big = pod("large", apps.NAMESPACE, cpu=room.cpu, memory=room.memory + MI)
    assert "maximum memory usage per Container" in emitted_cluster.api.create(too_big, dry_run=True).said


def test_apps_share_their_room(emitted_cluster: EmittedCluster) -> None:
    api, room = emitted_cluster.api, budget(emitted_cluster).quotas[apps.NAMESPACE]
    first = pod("first", apps.NAMESPACE, cpu=room.cpu // 2, memory=room.memory)
    with gone_afterwards(api, first):
        assert api.create(first).said == ""
        second = api.create(pod("second", apps.NAMESPACE, cpu=room.cpu // 2, memory=32 * MI))
        assert "exceeded quota: budget" in second.said


def test_claims_get_the_disk_of_the_budget_and_no_more(emitted_cluster: EmittedCluster) -> None:
    room = budget(emitted_cluster).quotas[apps.NAMESPACE]
    assert emitted_cluster.api.create(claim("data", apps.NAMESPACE, room.storage), dry_run=True).said == ""
    refused = emitted_cluster.api.create(claim("data", apps.NAMESPACE, room.storage + GI), dry_run=True)
    assert "exceeded quota: budget" in refused.said


def test_a_container_that_says_nothing_gets_the_defaults_of_its_namespace(emitted_cluster: EmittedCluster) -> None:
    limits = budget(emitted_cluster).limits[apps.NAMESPACE]
    answer = emitted_cluster.api.create(pod("silent", apps.NAMESPACE), dry_run=True)
    (container,) = answer.body["spec"]["containers"]
    assert container["resources"] == {
        "limits": {"memory": f"{limits.default_memory // MI}Mi"},
        "requests": {"cpu": f"{limits.default_cpu}m", "memory": f"{limits.default_memory // MI}Mi"},
    }


def test_a_namespace_in_which_nothing_of_the_stack_runs_has_no_room(emitted_cluster: EmittedCluster) -> None:
    proved = budget(emitted_cluster)
    empty = [item["metadata"]["namespace"] for item in emitted_cluster.api.list("v1", "ResourceQuota")]
    for namespace in set(empty) - proved.quotas.keys():
        answer = emitted_cluster.api.create(pod("squatter", namespace, cpu=1, memory=MI), dry_run=True)
        assert not answer.accepted
