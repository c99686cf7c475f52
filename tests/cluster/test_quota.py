"""Quotas and limits on a real API server: the budget's maximum fits to the last pod, and nothing beyond it."""

from __future__ import annotations

from components import apps
from components.budget import Budget
from components.namespaces import POD_SECURITY
from components.settings import load_stack
from components.systems import budget_of
from components.units import GI, MI
from tests.cluster.tree.api import Answer, Manifest
from tests.cluster.tree.emitted import EmittedCluster
from tests.cluster.tree.plain_pod import pod
from tests.cluster.tree.room import all_agents_and_one_more, budget, gone_afterwards, in_place
from tests.flux.rendered import STACKS
from tests.waiting import until


def claim(name: str, namespace: str, size: int) -> Manifest:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": str(size)}}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def test_every_workload_of_a_stack_gets_its_pods(emitted_cluster: EmittedCluster) -> None:
    in_place(emitted_cluster, "")


def test_the_agents_of_the_budget_are_let_in_and_not_one_more(emitted_cluster: EmittedCluster) -> None:
    agents, one_more = all_agents_and_one_more(emitted_cluster)
    assert {answer.said for answer in agents} == {""}
    assert "exceeded quota: budget" in one_more.said


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

    def created() -> Answer | None:
        answer = emitted_cluster.api.create(pod("silent", apps.NAMESPACE), dry_run=True)
        return answer if answer.status == 201 else None

    # What an earlier test had there is gone, but the quota is counted anew a little later.
    answer = until(created, "the namespace has room again")
    assert answer
    (container,) = answer.body["spec"]["containers"]
    assert container["resources"] == {
        "limits": {"memory": f"{limits.default_memory // MI}Mi"},
        "requests": {"cpu": f"{limits.default_cpu}m", "memory": f"{limits.default_memory // MI}Mi"},
    }


def test_a_namespace_in_which_nothing_of_the_stack_runs_has_no_room(emitted_cluster: EmittedCluster) -> None:
    for namespace in without_room(budget(emitted_cluster)):
        # Without amounts: it gets the namespace's own of nothing, so that only the quota is left to refuse it.
        answer = emitted_cluster.api.create(pod("squatter", namespace), dry_run=True)
        assert "exceeded quota: budget" in answer.said


def test_some_stack_has_a_namespace_in_which_nothing_runs() -> None:
    """Otherwise the test above would show nothing."""
    assert {namespace for stack in STACKS for namespace in without_room(budget_of(load_stack(stack)))}


def without_room(proved: Budget) -> set[str]:
    return set(POD_SECURITY) - proved.quotas.keys()
