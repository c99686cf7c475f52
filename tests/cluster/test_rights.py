"""Least privilege, as the API server itself tells it: what each service account of the pool may do, and where."""

from __future__ import annotations

import pytest

from components import agent_pod, api, apps, controller, rollback
from components.namespaces import POD_SECURITY
from components.rollback_admission import MESSAGE, REQUEST
from policies.rule import AGENTS
from tests.cluster.admission import policies_in_force
from tests.cluster.tree.api import Manifest
from tests.cluster.tree.emitted import EmittedCluster
from tests.cluster.tree.rights import rights

AGENT = f"{agent_pod.NAMESPACE}/{agent_pod.NAME}"
CONTROLLER = f"{AGENTS}/{controller.NAME}"
ROLLBACK = f"{rollback.NAMESPACE}/{rollback.NAME}"
DEVELOPER = f"flux-system/{apps.RECONCILER}"


def config_map(namespace: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": namespace}}


@pytest.mark.parametrize("namespace", [*POD_SECURITY, "default", "kube-system"])
def test_an_agents_account_may_do_nothing_anywhere(emitted_cluster: EmittedCluster, namespace: str) -> None:
    assert rights(emitted_cluster.acting_as(AGENT), namespace) == set()


def test_an_agents_pod_does_not_even_have_a_token(emitted_cluster: EmittedCluster) -> None:
    spec = emitted_cluster.api.create(emitted_cluster.agent("agent"), dry_run=True).body["spec"]
    assert spec["automountServiceAccountToken"] is False
    sources = [source for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", ())]
    assert not [source for source in sources if "serviceAccountToken" in source]


@pytest.mark.parametrize("namespace", sorted({*POD_SECURITY, "default", "kube-system"} - {apps.NAMESPACE}))
def test_a_developers_commit_touches_no_other_namespace(emitted_cluster: EmittedCluster, namespace: str) -> None:
    developer = emitted_cluster.acting_as(DEVELOPER)
    assert rights(developer, namespace) == set()
    assert developer.create(config_map(namespace), dry_run=True).status == 403


def test_a_developers_commit_makes_workloads_in_its_own(emitted_cluster: EmittedCluster) -> None:
    developer = emitted_cluster.acting_as(DEVELOPER)
    assert developer.create(config_map(apps.NAMESPACE), dry_run=True).said == ""
    written = {resource for verb, _, resource in rights(developer, apps.NAMESPACE) if verb == "create"}
    assert written >= {"deployments", "statefulsets", "services", "configmaps"}


@pytest.mark.parametrize("kind", ["networkpolicies", "resourcequotas", "limitranges", "roles", "rolebindings"])
def test_a_developers_commit_cannot_move_the_borders_of_its_namespace(
    emitted_cluster: EmittedCluster, kind: str
) -> None:
    allowed = rights(emitted_cluster.acting_as(DEVELOPER), apps.NAMESPACE)
    assert {verb for verb, _, resource in allowed if resource in (kind, "*")} == set()


def test_the_api_may_ask_kubernetes_for_nothing(emitted_cluster: EmittedCluster) -> None:
    """It takes hostile input."""
    assert rights(emitted_cluster.acting_as(f"{AGENTS}/{api.NAME}"), AGENTS) == set()


def test_the_controller_only_looks_while_keda_makes_the_jobs(emitted_cluster: EmittedCluster) -> None:
    allowed = rights(emitted_cluster.acting_as(CONTROLLER), AGENTS)
    assert {verb for verb, _, _ in allowed} <= {"get", "list", "watch"}
    assert {resource for _, _, resource in allowed} <= {"pods", "events", "jobs"}


def test_no_account_of_the_pool_has_rights_beyond_its_namespace(emitted_cluster: EmittedCluster) -> None:
    """Charts bring the controllers that need more; nothing that the stack itself writes does."""
    assert [take.name for take in emitted_cluster.takes if take.manifest["kind"] == "ClusterRoleBinding"] == []


def test_who_takes_commits_back_changes_only_what_asks_flux_to_look_again(emitted_cluster: EmittedCluster) -> None:
    allowed = rights(emitted_cluster.acting_as(ROLLBACK), "flux-system")
    written = {(verb, resource) for verb, _, resource in allowed if verb not in ("get", "list", "watch")}
    wanted = {("patch", "kustomizations"), ("patch", "gitrepositories"), ("create", "events")}
    assert written == (wanted if rollback.wanted(emitted_cluster.tree.settings) else set())
    assert "secrets" not in {resource for _, _, resource in allowed}


def test_who_takes_commits_back_is_refused_every_other_change_of_what_it_may_patch(
    emitted_cluster: EmittedCluster,
) -> None:
    if not rollback.wanted(emitted_cluster.tree.settings):
        pytest.skip("this stack has no rollback controller")
    policies_in_force(emitted_cluster.api)
    account = emitted_cluster.acting_as(ROLLBACK)
    source = {"kind": "GitRepository", "name": "x"}
    times = {"interval": "1m", "retryInterval": "1m", "timeout": "1m"}
    made = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "to-be-asked", "namespace": "flux-system"},
        "spec": {**times, "prune": True, "path": "./x", "sourceRef": source},
    }
    assert emitted_cluster.api.apply(made).said == ""
    assert account.merge(made, {"metadata": {"annotations": {REQUEST: "now"}}}).said == ""
    for change in ({"spec": {"suspend": True}}, {"metadata": {"labels": {"a": "b"}}}):
        assert MESSAGE in account.merge(made, change).said
    emitted_cluster.api.delete(made)


@pytest.mark.parametrize("namespace", ["infrastructure", "ci", "apps", "default"])
def test_who_takes_commits_back_may_do_nothing_elsewhere(emitted_cluster: EmittedCluster, namespace: str) -> None:
    """Where HelmReleases are it reads them."""
    assert rights(emitted_cluster.acting_as(ROLLBACK), namespace) == set()
