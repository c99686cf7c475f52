"""What the cluster will do with the repository: who reaches whom, what counts as healthy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel

from components.manifest_tree import Manifest
from tests.contract.cluster import Cluster, identity, walk

NAME = "kubernetes.io/metadata.name"


def admitted(policy: Manifest, namespace: str) -> Iterator[set[int | str]]:
    """Ports on which a policy lets pods of a namespace in."""
    for rule in policy["spec"].get("ingress") or ():
        peers = rule.get("from") or [{}]
        spaces = [peer.get("namespaceSelector", {}).get("matchLabels", {}).get(NAME) for peer in peers]
        if namespace in spaces or peers == [{}]:
            yield {port["port"] for port in rule.get("ports", ())}


def test_prometheus_is_let_in_wherever_it_scrapes(cluster: Cluster) -> None:
    policies = cluster.of_kind("NetworkPolicy")
    for monitor in cluster.of_kind("PodMonitor"):
        (space,) = monitor["spec"]["namespaceSelector"]["matchNames"]
        here = [policy for policy in policies if policy["metadata"]["namespace"] == space]
        if not here:
            continue  # flux-system: its own policies come with the FluxInstance, and admit scraping
        if space == "keda" and cluster.settings.scaler == "direct":
            continue  # nobody there to scrape
        ports = {port for policy in here for found in admitted(policy, "monitoring") for port in found}
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            wanted = endpoint.get("portNumber") or numbered(cluster, space, endpoint["port"])
            assert wanted in ports, f"{identity(monitor)}: {wanted}"


def numbered(cluster: Cluster, namespace: str, port: str) -> int:
    """The number of a named container port."""
    for item in cluster.objects:
        if item.manifest["metadata"].get("namespace") == namespace:
            for path, value in walk(item.manifest.get("spec")):
                named = ".ports[" in path and isinstance(value, dict) and value.get("name") == port
                if named and "containerPort" in value:
                    return int(value["containerPort"])
    raise AssertionError(f"no container port {port} in {namespace}")


def test_prometheus_may_reach_every_port_that_it_scrapes(cluster: Cluster) -> None:
    for policy in cluster.of_kind("NetworkPolicy"):
        if policy["metadata"]["name"] != "monitoring":
            continue
        ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
        for monitor in cluster.of_kind("PodMonitor"):
            (space,) = monitor["spec"]["namespaceSelector"]["matchNames"]
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                # Flux and its operator have /metrics on 8080 (their charts' containerPort).
                named = endpoint.get("port")
                own = 8080 if space == "flux-system" else numbered(cluster, space, named) if named else None
                assert (own or endpoint["portNumber"]) in ports, identity(monitor)


def test_every_namespace_with_our_pods_denies_what_is_not_allowed(cluster: Cluster) -> None:
    denying = {
        policy["metadata"]["namespace"]
        for policy in cluster.of_kind("NetworkPolicy")
        if policy["spec"]["podSelector"] == {} and not policy["spec"].get("ingress")
    }
    ours = {
        item.manifest["metadata"]["namespace"]
        for item in cluster.objects
        if item.manifest["kind"] in ("Deployment", "StatefulSet", "ScaledJob", "CronJob")
    }
    assert ours <= denying


def health(cluster: Cluster) -> Iterator[Mapping[str, Any]]:
    for stage in cluster.stages().values():
        yield from stage["spec"].get("healthCheckExprs", ())


@pytest.mark.parametrize(
    ("ready", "current", "failed"), [("True", True, False), ("False", False, True), ("Unknown", False, False)]
)
def test_health_expressions_read_what_keda_writes(cluster: Cluster, ready: str, current: bool, failed: bool) -> None:
    """KEDA writes all its conditions at once, Unknown at first (KEDA v2.21 condition_types.go)."""
    status = {"conditions": [{"type": "Active", "status": "False"}, {"type": "Ready", "status": ready}]}
    expressions = list(health(cluster))
    assert bool(expressions) is (cluster.settings.scaler == "keda")
    for check in expressions:
        for name, wanted in (("current", current), ("failed", failed)):
            environment = celpy.Environment()
            program = environment.program(environment.compile(check[name]))
            assert bool(program.evaluate({"status": json_to_cel(status)})) is wanted, name


def test_stored_data_is_never_pruned_and_lies_on_a_class_that_retains(cluster: Cluster) -> None:
    retained = {c["metadata"]["name"] for c in cluster.of_kind("StorageClass") if c["reclaimPolicy"] == "Retain"}
    for item in cluster.of_kind("StatefulSet"):
        for claim in item["spec"].get("volumeClaimTemplates", ()):
            assert claim["spec"]["storageClassName"] in retained, identity(item)
