"""Who reaches whom: every flow of the pool goes through all NetworkPolicies on its way, and no stranger's does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest

from components import gitea, rollback
from components.manifest_tree import Manifest
from tests.contract.cluster import Cluster

SPACE = "kubernetes.io/metadata.name"
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Pod:
    """One end of a flow: a pod by namespace and labels, or an address outside of the cluster."""

    namespace: str
    labels: Labels
    address: str = "10.42.0.9"


def workload(cluster: Cluster, namespace: str, name: str) -> Pod:
    """The pods of an object of the tree, or of Gitea's."""
    everything = [item.manifest for item in cluster.objects] + gitea.objects(cluster.settings)
    for item in everything:
        if (item["metadata"].get("namespace"), item["metadata"]["name"]) == (namespace, name):
            spec = item.get("spec", {})
            spec = spec.get("jobTargetRef") or spec.get("jobTemplate", {}).get("spec") or spec
            if "template" in spec:
                return Pod(namespace, spec["template"]["metadata"]["labels"])
    raise AssertionError(f"no workload {namespace}/{name}")


CHARTS: Mapping[str, Pod] = {
    "keda-operator": Pod("keda", {"app": "keda-operator"}),
    "alertmanager": Pod("monitoring", {"app.kubernetes.io/name": "alertmanager"}),
    "prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "source-controller": Pod("flux-system", {"app": "source-controller"}),
    "notification-controller": Pod("flux-system", {"app": "notification-controller"}),
    "internet": Pod("", {}, "93.184.216.34"),
    "API server": Pod("", {}, "192.168.1.10"),
    "router": Pod("", {}, "192.168.1.1"),
    "an app": Pod("apps", {"raibid.dev/network": "apps"}),
    "a quiet app": Pod("apps", {"app.kubernetes.io/name": "quiet"}),
    "somebody": Pod("default", {}),
}
"""Pods that the tree does not spell out: those of charts and of Flux, by the labels their makers give them."""
OURS = {
    "api": ("ci", "raibid-api"),
    "agent": ("ci", "ci-agent"),
    "controller": ("ci", "raibid-controller"),
    "redis": ("infrastructure", "redis"),
    "gitea": ("infrastructure", "gitea"),
    "postgres": ("infrastructure", "postgres"),
    "registry-cache": ("infrastructure", "registry-cache"),
    "rollback": ("infrastructure", "raibid-rollback"),
}


def pod(cluster: Cluster, name: str) -> Pod:
    return CHARTS[name] if name in CHARTS else workload(cluster, *OURS[name])


def policies(cluster: Cluster) -> list[Manifest]:
    """Flux's own come with the FluxInstance: they let everything out, and webhooks and scraping in."""
    found = cluster.of_kind("NetworkPolicy")
    return found + [item for item in gitea.objects(cluster.settings) if item["kind"] == "NetworkPolicy"]


def matches(selector: Manifest | None, labels: Labels) -> bool:
    """Of a label selector, what the tree uses."""
    assert set(selector or {}) <= {"matchLabels"}
    return dict((selector or {}).get("matchLabels", {})).items() <= dict(labels).items()


def is_peer(peer: Manifest, other: Pod, own_namespace: str) -> bool:
    if block := peer.get("ipBlock"):
        address = ip_address(other.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(without) for without in block.get("except", ())
        )
    if not other.namespace:
        return False
    space = peer.get("namespaceSelector")
    here = other.namespace == own_namespace if space is None else matches(space, {SPACE: other.namespace})
    return here and matches(peer.get("podSelector"), other.labels)


def let_through(found: list[Manifest], own: Pod, other: Pod, port: int, side: str, field: str) -> bool:
    """One side of a flow: nobody judges it, or somebody allows it."""
    judging = [
        policy["spec"]
        for policy in found
        if policy["metadata"]["namespace"] == own.namespace
        and side in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], own.labels)
    ]
    return not judging or any(
        (not rule.get("ports") or port in [number["port"] for number in rule["ports"]])
        and (not rule.get(field) or any(is_peer(peer, other, own.namespace) for peer in rule[field]))
        for spec in judging
        for rule in spec.get(side.lower(), ())
    )


def reaches(cluster: Cluster, source: str, target: str, port: int) -> bool:
    found, one, other = policies(cluster), pod(cluster, source), pod(cluster, target)
    return let_through(found, one, other, port, "Egress", "to") and let_through(
        found, other, one, port, "Ingress", "from"
    )


def has(cluster: Cluster, name: str) -> bool:
    optional = {"alertmanager": "monitoring", "prometheus": "monitoring", "registry-cache": "registry_cache"}
    if name == "keda-operator":
        return cluster.settings.scaler == "keda"
    if name == "rollback":
        return rollback.wanted(cluster.settings)
    if name in {"gitea", "postgres"}:
        return cluster.settings.cluster.kind != "embedded"
    return name not in optional or bool(getattr(cluster.settings.systems, optional[name]))


FLOWS = (
    ("api", "redis", 6379),
    ("api", "gitea", 3000),
    ("controller", "redis", 6379),
    ("controller", "API server", 6443),
    ("keda-operator", "redis", 6379),
    ("keda-operator", "API server", 6443),
    ("agent", "redis", 6379),
    ("agent", "gitea", 3000),
    ("agent", "api", 8460),
    ("agent", "internet", 443),
    ("gitea", "api", 8460),
    ("gitea", "notification-controller", 9292),
    ("gitea", "postgres", 5432),
    ("gitea", "internet", 443),
    ("api", "internet", 443),
    ("source-controller", "gitea", 3000),
    ("notification-controller", "gitea", 3000),
    ("notification-controller", "alertmanager", 9093),
    ("prometheus", "alertmanager", 9093),
    ("prometheus", "api", 8460),
    ("registry-cache", "internet", 443),
    ("notification-controller", "rollback", 8470),
    ("prometheus", "rollback", 8470),
    ("rollback", "gitea", 3000),
    ("rollback", "API server", 6443),
    ("an app", "an app", 8080),
    ("an app", "internet", 443),
)
STRANGERS = (
    ("agent", "postgres", 5432),
    ("agent", "alertmanager", 9093),
    ("agent", "router", 443),
    ("agent", "agent", 8080),
    ("api", "router", 443),
    ("api", "internet", 80),
    ("api", "API server", 6443),
    ("api", "postgres", 5432),
    ("agent", "API server", 6443),
    ("agent", "controller", 8460),
    ("controller", "gitea", 3000),
    ("controller", "router", 80),
    ("controller", "internet", 443),
    ("controller", "internet", 6443),
    ("keda-operator", "internet", 443),
    ("somebody", "controller", 8460),
    ("redis", "internet", 443),
    ("source-controller", "alertmanager", 9093),
    ("source-controller", "rollback", 8470),
    ("agent", "rollback", 8470),
    ("api", "rollback", 8470),
    ("an app", "rollback", 8470),
    ("rollback", "internet", 443),
    ("rollback", "redis", 6379),
    ("rollback", "postgres", 5432),
    ("somebody", "redis", 6379),
    ("somebody", "alertmanager", 9093),
    ("somebody", "api", 8460),
    ("an app", "redis", 6379),
    ("an app", "api", 8460),
    ("a quiet app", "internet", 443),
    ("somebody", "a quiet app", 8080),
    ("somebody", "agent", 8080),
)


def present(cluster: Cluster, flows: tuple[tuple[str, str, int], ...]) -> Iterator[tuple[str, str, int]]:
    return (flow for flow in flows if has(cluster, flow[0]) and has(cluster, flow[1]))


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: f"{flow[0]} to {flow[1]}")
def test_a_flow_of_the_pool_is_let_out_and_in(cluster: Cluster, flow: tuple[str, str, int]) -> None:
    assert all(reaches(cluster, *one) for one in present(cluster, (flow,)))


@pytest.mark.parametrize("flow", STRANGERS, ids=lambda flow: f"{flow[0]} to {flow[1]}")
def test_whoever_has_no_business_there_is_stopped(cluster: Cluster, flow: tuple[str, str, int]) -> None:
    assert not any(reaches(cluster, *one) for one in present(cluster, (flow,)))


def test_the_stack_with_everything_has_every_end_of_every_flow(cluster: Cluster) -> None:
    if (cluster.settings.environment, cluster.settings.scaler) != ("dgx-spark", "keda"):
        pytest.skip("the other stacks leave systems out")
    assert list(present(cluster, FLOWS + STRANGERS)) == list(FLOWS + STRANGERS)
