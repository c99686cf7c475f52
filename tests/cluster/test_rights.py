"""Least privilege, as the API server itself tells it: what each service account of the pool may do, and where."""

from __future__ import annotations

import pytest

from components import agent_pod, apps
from components.namespaces import POD_SECURITY
from tests.cluster.api import Api, Manifest
from tests.cluster.emitted import EmittedCluster

AGENT = f"{agent_pod.NAMESPACE}/{agent_pod.NAME}"
DEVELOPER = f"flux-system/{apps.RECONCILER}"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"


def rights(api: Api, namespace: str) -> set[tuple[str, str, str]]:
    """(verb, group, resource) that whoever asks may do there, without what everybody may: ask about themselves."""
    answer = api.post(
        REVIEW,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        },
    )
    assert answer.accepted, answer.said
    assert not answer.body["status"]["incomplete"]
    return {
        (verb, group, resource)
        for rule in answer.body["status"]["resourceRules"]
        for verb in rule["verbs"]
        for group in rule.get("apiGroups", [])
        for resource in rule.get("resources", [])
        if not resource.startswith("selfsubject")
    }


def config_map(namespace: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": namespace}}


@pytest.mark.parametrize("namespace", [*POD_SECURITY, "default", "kube-system"])
def test_an_agents_account_may_do_nothing_anywhere(emitted_cluster: EmittedCluster, namespace: str) -> None:
    assert rights(emitted_cluster.acting_as(AGENT), namespace) == set()


def test_an_agents_pod_does_not_even_have_a_token(emitted_cluster: EmittedCluster) -> None:
    spec = emitted_cluster.api.create(emitted_cluster.agent("agent"), dry_run=True).body["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert not [volume for volume in spec["volumes"] if "projected" in volume]


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


def test_no_account_of_the_pool_has_rights_beyond_its_namespace(emitted_cluster: EmittedCluster) -> None:
    """Charts bring the controllers that need more; nothing that the stack itself writes does."""
    assert [take.name for take in emitted_cluster.takes if take.manifest["kind"] == "ClusterRoleBinding"] == []
