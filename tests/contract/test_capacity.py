"""The repository asks for no more than the budget proved, and every stage waits for what it needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from raibid.contract import Annotations

from components import agent_pod
from components.systems import budget_of, enabled
from components.units import millicores, size
from policies.manifest import POD_SPECS, containers
from policies.set_rules import alerted
from tests.contract.cluster import Cluster, identity

_UNITS = {"h": 3600, "m": 60, "s": 1}


def seconds(text: str) -> int:
    """`1h30m` → 5400."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


def requested(cluster: Cluster) -> tuple[Counter[str], Counter[str]]:
    """Namespace → millicores and bytes that the tree's own pods request, agents at their maximum."""
    cpu: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    for item in cluster.objects:
        manifest = item.manifest
        if manifest["kind"] not in POD_SPECS or manifest["kind"] == "CronJob":
            continue
        spec: Mapping[str, Any] = manifest["spec"]
        replicas = spec.get("maxReplicaCount", spec.get("replicas", 1))
        for container in containers(manifest):
            wanted = container["resources"]["requests"]
            cpu[manifest["metadata"]["namespace"]] += replicas * millicores(wanted["cpu"])
            memory[manifest["metadata"]["namespace"]] += replicas * size(wanted["memory"])
    return cpu, memory


def test_quotas_hold_what_the_pods_request(cluster: Cluster) -> None:
    quotas = {q["metadata"]["namespace"]: q["spec"]["hard"] for q in cluster.of_kind("ResourceQuota")}
    cpu, memory = requested(cluster)
    for namespace in cpu:
        assert millicores(quotas[namespace]["requests.cpu"]) >= cpu[namespace], namespace
        assert size(quotas[namespace]["requests.memory"]) >= memory[namespace], namespace


def test_quotas_hold_what_the_systems_said_that_they_need(cluster: Cluster) -> None:
    quotas = {q["metadata"]["namespace"]: q["spec"]["hard"] for q in cluster.of_kind("ResourceQuota")}
    needed: Counter[str] = Counter()
    for system in enabled(cluster.settings):
        for workload in system.footprint(cluster.settings).workloads:
            needed[workload.namespace] += workload.cpu * workload.replicas
    for namespace, cpu in needed.items():
        if namespace in quotas:
            assert millicores(quotas[namespace]["requests.cpu"]) >= cpu, namespace


def test_every_pod_requests_what_its_system_said(cluster: Cluster) -> None:
    """A footprint that lies would make the proof of the budget worth nothing."""
    said = {
        (workload.namespace, workload.name): workload
        for system in enabled(cluster.settings)
        for workload in system.footprint(cluster.settings).workloads
    }
    for item in cluster.objects:
        manifest = item.manifest
        if manifest["kind"] not in ("Deployment", "StatefulSet"):
            continue
        workload = said[manifest["metadata"]["namespace"], manifest["metadata"]["name"]]
        assert sum(millicores(c["resources"]["requests"]["cpu"]) for c in containers(manifest)) <= workload.cpu
        assert sum(size(c["resources"]["requests"]["memory"]) for c in containers(manifest)) <= workload.memory


def test_agents_are_as_many_as_the_budget_has_room_for(cluster: Cluster) -> None:
    agents = budget_of(cluster.settings).agents
    if cluster.settings.scaler == "direct":
        (template,) = [job for job in cluster.of_kind("CronJob") if job["metadata"]["name"] == agent_pod.NAME]
        numbers = template["metadata"]["annotations"]
        assert numbers == {Annotations.MAX_AGENTS: str(agents.maximum), Annotations.MIN_AGENTS: str(agents.warm)}
        return
    (scaled,) = cluster.of_kind("ScaledJob")
    assert scaled["spec"]["maxReplicaCount"] == agents.maximum
    assert scaled["spec"]["minReplicaCount"] == agents.warm


def test_a_release_fails_before_its_stage_gives_up(cluster: Cluster) -> None:
    """Otherwise the stage says "timed out", and why is nowhere."""
    timeouts = {name: seconds(stage["spec"]["timeout"]) for name, stage in cluster.stages().items()}
    for item in cluster.objects:
        if item.manifest["kind"] == "HelmRelease":
            assert seconds(item.manifest["spec"]["timeout"]) < timeouts[item.stage], identity(item.manifest)


PROVIDERS = {
    "keda.sh": "keda",
    "cert-manager.io": "cert-manager",
    "trust.cert-manager.io": "trust-manager",
    "monitoring.coreos.com": "kube-prometheus-stack",
}
"""Group of custom resources → the HelmRelease that brings its CRDs."""


def test_custom_resources_come_after_the_release_that_defines_them(cluster: Cluster) -> None:
    stages = cluster.stages()
    where = {item.manifest["metadata"]["name"]: item.stage for item in cluster.objects if _is_release(item.manifest)}

    def before(stage: str) -> set[str]:
        needed = {d["name"] for d in stages[stage]["spec"].get("dependsOn", ())} if stage in stages else set()
        return needed.union(*(before(name) for name in needed))

    for item in cluster.objects:
        group = str(item.manifest["apiVersion"]).rpartition("/")[0]
        if release := PROVIDERS.get(group):
            assert where[release] in before(item.stage), f"{identity(item.manifest)} in {item.stage}"


def _is_release(manifest: Mapping[str, Any]) -> bool:
    return bool(manifest["kind"] == "HelmRelease")


def test_what_flux_applies_is_covered_by_an_alert_of_the_system_that_tells_of_it(cluster: Cluster) -> None:
    """Without monitoring, a HelmRelease is told of by the stage that waits for it (components/notifications.py)."""
    systems = cluster.settings.systems
    told = {"Kustomization": systems.notifications, "HelmRelease": systems.monitoring}
    covered = alerted([item.manifest for item in cluster.objects])
    for item in cluster.objects:
        kind, group = item.manifest["kind"], str(item.manifest["apiVersion"]).partition("/")[0]
        if kind in told and group.endswith(".toolkit.fluxcd.io"):
            assert ((item.manifest["metadata"]["namespace"], kind) in covered) is told[kind], identity(item.manifest)


def test_a_stage_waits_for_its_helm_releases(cluster: Cluster) -> None:
    """So that a failed one fails the stage: without monitoring that is the only report of it."""
    stages = cluster.stages()
    waiting = {item.stage for item in cluster.objects if _is_release(item.manifest)}
    assert all(stages[name]["spec"]["wait"] is True for name in waiting)


def test_a_stage_that_waits_is_checked_for_the_health_of_what_it_applies(cluster: Cluster) -> None:
    for name, stage in cluster.stages().items():
        spec = stage["spec"]
        assert spec["wait"] or spec["healthChecks"], name
        assert spec["prune"] is True
