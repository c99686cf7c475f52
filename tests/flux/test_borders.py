"""Namespaces: what may run there, how much of it, and whom it may talk to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from components import api, apps, cluster, controller, dns, flux, k3s, keda, mirrors, namespaces, systems
from components.settings import load_stack
from components.units import millicores, size
from tests.flux.rendered import Rendered, pods


def policies(rendered: Rendered, namespace: str) -> Iterator[Mapping[str, Any]]:
    for item in rendered.of_kind("NetworkPolicy"):
        if item.manifest["metadata"]["namespace"] == namespace:
            yield item.manifest["spec"]


def quota(rendered: Rendered, namespace: str) -> Mapping[str, str]:
    found = {item.manifest["metadata"]["namespace"]: item.manifest for item in rendered.of_kind("ResourceQuota")}
    hard: Mapping[str, str] = found[namespace]["spec"]["hard"]
    return hard


def test_every_namespace_of_the_tree_has_borders(rendered: Rendered) -> None:
    used = {item.manifest["metadata"].get("namespace") for item in rendered.applied}
    assert used - {None, "kube-system"} <= set(namespaces.POD_SECURITY)


def test_a_namespace_has_one_owner() -> None:
    assert set(cluster.NAMESPACES).isdisjoint(namespaces.FLUX_OWNED)
    assert set(cluster.NAMESPACES) | set(namespaces.FLUX_OWNED) == set(namespaces.POD_SECURITY)


def test_flux_and_pulumi_spell_the_git_credential_alike() -> None:
    instance = flux.flux_instance(load_stack("dgx-spark"))
    assert instance["spec"]["sync"]["pullSecret"] == cluster.GIT_CREDENTIAL


def test_builds_run_under_the_strictest_pod_security() -> None:
    assert namespaces.pod_security_labels("ci")["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_the_systems_of_a_namespace_request_fits_its_quota(rendered: Rendered) -> None:
    for item in rendered.of_kind("ResourceQuota"):
        namespace, hard = item.manifest["metadata"]["namespace"], item.manifest["spec"]["hard"]
        workloads = [
            workload
            for system in systems.enabled(rendered.settings)
            for workload in system.footprint(rendered.settings).workloads
            if workload.namespace == namespace
        ]
        assert sum(w.cpu * w.replicas for w in workloads) <= millicores(hard["requests.cpu"])
        assert sum(w.memory * w.replicas for w in workloads) <= size(hard["requests.memory"])
        assert sum(w.disk * w.replicas for w in workloads) <= size(hard["requests.storage"])


def test_agents_at_their_most_fit_the_quota_of_ci(rendered: Rendered) -> None:
    agents = systems.budget_of(rendered.settings).agents
    hard = rendered.variables
    assert (agents.maximum + agents.warm) * agents.cpu <= millicores(hard["namespaces_ci_cpu"])
    assert agents.maximum + agents.warm <= int(hard["namespaces_ci_pods"])


def test_no_quota_counts_cpu_limits(rendered: Rendered) -> None:
    """With it every container would need one, and an idle machine would be throttled."""
    assert not any("limits.cpu" in item.manifest["spec"]["hard"] for item in rendered.of_kind("ResourceQuota"))


@pytest.mark.parametrize("namespace", [name for name in namespaces.POD_SECURITY if name != "flux-system"])
def test_nothing_is_reachable_or_reaches_out_unless_a_policy_says_so(rendered: Rendered, namespace: str) -> None:
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert deny in list(policies(rendered, namespace))


def test_flux_keeps_the_policies_that_it_brings_itself(rendered: Rendered) -> None:
    assert not [
        spec for spec in policies(rendered, "flux-system") if spec["podSelector"] == {} and "ingress" not in spec
    ]


def test_every_running_pod_that_we_write_is_named_by_a_policy(rendered: Rendered) -> None:
    for item in rendered.applied:
        template = item.manifest.get("spec", {}).get("template") or item.manifest.get("spec", {}).get(
            "jobTargetRef", {}
        ).get("template")
        if template and list(pods(item.manifest)):
            selectors = [s["podSelector"] for s in policies(rendered, item.manifest["metadata"]["namespace"])]
            own = template["metadata"]["labels"].items()
            assert any(s and s["matchLabels"].items() <= own for s in selectors), item.path


def test_a_build_reaches_the_outside_but_no_private_address(rendered: Rendered) -> None:
    egress = next(
        s["egress"]
        for s in policies(rendered, "ci")
        if s["podSelector"].get("matchLabels") == {"app.kubernetes.io/name": "ci-agent"}
    )
    blocks = [peer["ipBlock"] for rule in egress for peer in rule["to"] if "ipBlock" in peer]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0"]
    assert {"10.0.0.0/8", "192.168.0.0/16", "169.254.0.0/16"} <= set(blocks[0]["except"])


def test_a_developers_pod_is_let_out_by_its_label_and_reaches_no_redis(rendered: Rendered) -> None:
    (policy,) = [s for s in policies(rendered, "apps") if s["podSelector"].get("matchLabels") == apps.TALKS]
    assert "raibid.dev/network: apps" in rendered.one("ConfigMap", "apps")["data"]["about"]
    peers = [
        peer for side in ("ingress", "egress") for rule in policy[side] for peer in rule.get("from", rule.get("to"))
    ]
    reached = [peer["namespaceSelector"]["matchLabels"] for peer in peers if "namespaceSelector" in peer]
    assert reached == [{"kubernetes.io/metadata.name": "apps"}] * 2


def test_developers_have_exactly_the_room_that_the_stack_keeps_for_them(rendered: Rendered) -> None:
    room, hard = rendered.settings.apps, quota(rendered, "apps")
    assert (millicores(hard["requests.cpu"]), size(hard["requests.memory"])) == (room.cpu, room.memory)
    assert (size(hard["limits.memory"]), size(hard["requests.storage"])) == (room.memory, room.disk)
    assert int(hard["pods"]) > 1
    (limits,) = [
        item.manifest for item in rendered.of_kind("LimitRange") if item.manifest["metadata"]["namespace"] == "apps"
    ]
    assert size(limits["spec"]["limits"][0]["max"]["memory"]) == room.memory


def test_the_quota_of_ci_is_the_agents_and_the_pools_own_and_nothing_else(rendered: Rendered) -> None:
    agents, hard = systems.budget_of(rendered.settings).agents, quota(rendered, "ci")
    own = (api, controller, *([mirrors] if rendered.settings.systems.mirrors else []))
    beside = [system.footprint(rendered.settings).of(system.NAME) for system in own]
    assert millicores(hard["requests.cpu"]) == agents.total * agents.cpu + sum(each.cpu for each in beside)
    assert size(hard["requests.memory"]) == agents.total * agents.memory + sum(each.memory for each in beside)
    assert size(hard["requests.storage"]) == agents.cache + sum(each.disk for each in beside)
    assert int(hard["pods"]) == agents.total + len(beside)


def test_nobody_may_call_an_agent(rendered: Rendered) -> None:
    (agents,) = [s for s in policies(rendered, "ci") if "ci-agent" in str(s["podSelector"])]
    assert "Ingress" in agents["policyTypes"]
    assert "ingress" not in agents


def test_the_pools_names_lead_to_its_services(rendered: Rendered) -> None:
    text = rendered.one("ConfigMap", "coredns-custom")["data"]["raibid.override"]
    for name in ("gitea", "redis"):
        assert f"rewrite name exact {name}.{rendered.settings.domain} {name}" in text
    assert dns.DIRECTORY.startswith("infrastructure/namespaces/")


def test_agents_give_way_to_the_api_and_the_api_to_the_data(rendered: Rendered) -> None:
    values = {item.manifest["metadata"]["name"]: item.manifest for item in rendered.of_kind("PriorityClass")}
    order = [values[name]["value"] for name in ("raibid-agents", "raibid-services", "raibid-data")]
    assert order == sorted(order)
    assert values["raibid-agents"]["preemptionPolicy"] == "Never"
    assert max(order) < 1_000_000_000  # above are the system's own


def test_leases_of_the_gpu_are_the_agents_alone(rendered: Rendered) -> None:
    leases = {name: int(quota(rendered, name)["requests.nvidia.com/gpu"]) for name in namespaces.POD_SECURITY}
    replicas = sum(node.gpu.replicas for node in rendered.settings.nodes if node.gpu)
    assert leases == {**dict.fromkeys(namespaces.POD_SECURITY, 0), "ci": replicas}


def test_the_upgrade_of_a_chart_fits_its_quota(rendered: Rendered) -> None:
    """KEDA's three Deployments roll at once, and each starts the new pod first."""
    workloads = keda.footprint(rendered.settings).workloads
    hard = quota(rendered, "keda")
    assert int(hard["pods"]) == 2 * len(workloads)
    assert millicores(hard["requests.cpu"]) == 2 * sum(w.cpu for w in workloads)


def test_the_infrastructure_of_the_real_machine_takes_four_and_a_half_cores() -> None:
    settings = load_stack("dgx-spark")
    ours = [system for system in systems.enabled(settings) if system not in (apps, k3s)]
    used = sum(w.cpu * w.replicas for s in ours for w in s.footprint(settings).workloads)
    assert used <= 4500
