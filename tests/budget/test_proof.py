"""The ledger: nothing is lost, nothing is given twice, and what does not fit is refused with its sum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.budget import Amount, Budget, BudgetError, Footprint, Workload, budget
from components.budget.agents import SCRATCH_LEAST
from components.settings import Settings
from components.units import GI, MI
from tests.budget.machines import CLASSES, MISSION, SPARK, forge, stack, watcher

PROFILES = ["conservative", "balanced", "aggressive"]
cores = st.integers(min_value=9000, max_value=64_000)
sizes = st.integers(min_value=20 * GI, max_value=512 * GI)
disks = st.integers(min_value=200 * GI, max_value=4096 * GI)
workloads = st.builds(
    Workload,
    name=st.uuids().map(str),
    namespace=st.sampled_from(["infrastructure", "ci", "monitoring"]),
    cpu=st.integers(min_value=1, max_value=2000),
    memory=st.integers(min_value=MI, max_value=4 * GI),
    disk=st.integers(min_value=0, max_value=20 * GI),
    replicas=st.integers(min_value=1, max_value=2),
    every_node=st.booleans(),
)
footprints = st.lists(workloads, min_size=1, max_size=3).map(lambda found: Footprint("system", tuple(found)))
machines = st.builds(lambda cpu, memory, disk: {"cpu": f"{cpu}m", "memory": memory, "disk": disk}, cores, sizes, disks)
stacks = st.builds(
    lambda nodes, profile, inference: stack(
        *({"name": f"n{index}", **node} for index, node in enumerate(nodes)),
        profile=profile,
        reserved={"inferenceMemory": inference},
    ),
    st.lists(machines, min_size=1, max_size=3),
    st.sampled_from(PROFILES),
    st.just(0) | st.integers(min_value=0, max_value=1 * GI),
)


def proved(settings: Settings, systems: list[Footprint]) -> Budget | None:
    """None: it does not fit, which is an answer too."""
    try:
        return budget(settings, systems)
    except BudgetError:
        return None


@pytest.mark.parametrize(("profile", "count"), [("conservative", 3), ("balanced", 7), ("aggressive", 7)])
def test_the_missions_sum_holds(profile: str, count: int) -> None:
    result = budget(stack(profile=profile), MISSION)
    ledger = result.ledgers[0]
    assert sum(line.amount.cpu for line in ledger.lines if line.kind == "reserved") == 8000
    assert sum(line.amount.cpu for line in ledger.lines if line.kind == "system") == 4500
    assert result.agents.total == count


def test_pinned_gives_the_whole_performance_cores_that_infrastructure_leaves() -> None:
    result = budget(stack({**SPARK, "cores": CLASSES}, profile="pinned"), MISSION)
    assert result.agents.total == 5, "10 performance cores less 4.5"
    assert result.agents.cpu == result.agents.cpu_limit == 1000, "Guaranteed, and whole"
    assert result.agents.memory == result.agents.memory_limit


@given(st.integers(min_value=2, max_value=40), st.integers(min_value=1, max_value=20), st.lists(footprints, max_size=2))
def test_pinned_never_gives_more_than_the_performance_cores(fast: int, small: int, systems: list[Footprint]) -> None:
    classes = [
        {"kind": "efficiency", "cpus": f"0-{small - 1}"},
        {"kind": "performance", "cpus": f"{small}-{small + fast - 1}"},
    ]
    node = {**SPARK, "cpu": small + fast, "cores": classes}
    settings = stack(node, profile="pinned", reserved={"systemCpu": small - 1, "kubeCpu": 1})
    if (result := proved(settings, systems)) is None:
        return
    declared = sum(w.cpu * w.replicas_on(first=True) for system in systems for w in system.workloads)
    assert result.agents.total * 1000 + declared <= fast * 1000
    assert result.kubelet["spark"].reserved_cpus == f"0-{small - 1}" if small > 1 else "0"
    assert result.ledgers[0].left == Amount()


@given(stacks, st.lists(footprints, max_size=3))
def test_every_line_of_a_node_adds_up_to_its_capacity(settings: Settings, systems: list[Footprint]) -> None:
    if (result := proved(settings, systems)) is None:
        return
    for node, ledger in zip(settings.nodes, result.ledgers, strict=True):
        assert ledger.capacity == Amount(node.cpu, node.memory, node.disk)
        assert ledger.left == Amount()
        assert all(min(line.amount.cpu, line.amount.memory, line.amount.disk) >= 0 for line in ledger.lines)
    assert sum(ledger.agents for ledger in result.ledgers) == result.agents.total


@given(stacks, st.lists(footprints, max_size=3))
def test_the_scheduler_sees_room_for_all_and_for_no_agent_more(settings: Settings, systems: list[Footprint]) -> None:
    if (result := proved(settings, systems)) is None:
        return
    agent = result.agents
    for index, (node, ledger) in enumerate(zip(settings.nodes, result.ledgers, strict=True)):
        kept = result.kubelet[node.name]
        pods = [w for system in systems for w in system.workloads for _ in range(w.replicas_on(first=index == 0))]
        cpu = node.cpu - kept.system_cpu - kept.kube_cpu - sum(pod.cpu for pod in pods)
        memory = node.memory - kept.system_memory - kept.kube_memory - kept.eviction_memory
        memory -= sum(pod.memory for pod in pods)
        disk = node.disk * (100 - kept.eviction_disk_percent) // 100 - kept.system_disk
        assert min(cpu - ledger.agents * agent.cpu, memory - ledger.agents * agent.memory) >= 0
        assert disk - ledger.agents * agent.scratch >= 0
        more = ledger.agents + 1
        full = cpu < more * agent.cpu or memory < more * agent.memory or disk < more * SCRATCH_LEAST
        assert full


@given(stacks, st.lists(footprints, max_size=2), st.integers(0, 8000), st.integers(0, 64 * GI), st.integers(0, GI))
def test_more_machine_is_never_fewer_agents(
    settings: Settings, systems: list[Footprint], cpu: int, memory: int, disk: int
) -> None:
    first = settings.nodes[0]
    larger = first.model_copy(
        update={"cpu": first.cpu + cpu, "memory": first.memory + memory, "disk": first.disk + disk}
    )
    before = proved(settings, systems)
    after = proved(settings.model_copy(update={"nodes": (larger, *settings.nodes[1:])}), systems)
    if before:
        assert after
        assert after.agents.total >= before.agents.total
        assert after.agents.maximum >= before.agents.maximum


def test_a_second_node_holds_agents_and_daemons_only() -> None:
    second = {"name": "second", "cpu": 12, "memory": "64Gi", "disk": "500Gi"}
    result = budget(stack(SPARK, second), MISSION)
    assert [line.name for line in result.ledgers[1].lines if line.kind == "system"] == ["watcher"]
    assert [ledger.agents for ledger in result.ledgers] == [7, 3]
    assert result.agents.scratch == min(64 * GI, (500 * GI - 50 * GI - 100 * GI - result.agents.cache) // 3 // GI * GI)


def test_warm_agents_are_within_what_fits_and_not_on_top() -> None:
    agents = budget(stack(profile="aggressive"), MISSION).agents
    assert (agents.warm, agents.maximum) == (1, 6), "KEDA adds minReplicaCount to maxReplicaCount"


def test_a_single_agent_is_never_a_warm_one() -> None:
    agents = budget(stack({**SPARK, "cpu": 9}, profile="aggressive"), []).agents
    assert (agents.warm, agents.maximum) == (0, 1)


def test_memory_for_inference_is_kept_out_of_the_schedulers_sight() -> None:
    result = budget(stack(reserved={"inferenceMemory": "32Gi"}), [])
    assert result.kubelet["spark"].system_memory == (12 + 32) * GI


def test_leases_of_the_gpu_are_counted_over_all_nodes() -> None:
    gpu = {"gpu": {"replicas": 4}}
    result = budget(stack({**SPARK, **gpu}, {**SPARK, **gpu, "name": "second"}), [watcher()])
    assert result.gpu_leases == 8
    assert result.quotas["ci"].gpu == 8
    assert result.quotas["monitoring"].gpu == 0


def test_a_machine_without_core_classes_names_no_cpus() -> None:
    assert budget(stack(), []).kubelet["spark"].reserved_cpus == ""


@pytest.mark.parametrize(("profile", "cpus"), [("balanced", "0-4,10-12"), ("pinned", "0-4,10-14")])
def test_the_system_gets_efficiency_cores(profile: str, cpus: str) -> None:
    kept = budget(stack({**SPARK, "cores": CLASSES}, profile=profile), []).kubelet["spark"]
    assert kept.reserved_cpus == cpus
    assert kept.static_cpus == (profile == "pinned")


def test_a_system_that_does_not_fit_is_marked_in_the_ledger() -> None:
    with pytest.raises(BudgetError) as caught:
        budget(stack(), [forge(cpu=13_000, memory=110 * GI)])
    assert (
        str(caught.value)
        == """\
node spark: forge does not fit, 1 core, 8 GiB of memory too much

spark       cores  memory GiB  disk GiB
               20         120      3600
system         -6         -12      -100
kubernetes     -2          -4
eviction                   -2      -360
forge         -13        -110      -120  <-- 1 core, 8 GiB of memory
left           -1          -8      3020"""
    )
    assert caught.value.hint.startswith("reserve less, leave optional systems out (systems: certManager")


def test_a_system_that_may_be_left_out_is_named_by_its_switch() -> None:
    cache = Workload(name="cache", namespace="infrastructure", cpu=100, memory=GI, disk=4000 * GI)
    with pytest.raises(BudgetError) as caught:
        budget(stack(), [Footprint("registry-cache", (cache,))])
    assert caught.value.hint == "set systems.registryCache: false, reserve less, or take a larger node"


def test_a_machine_that_is_full_with_keda_is_told_of_the_scaler_that_needs_none() -> None:
    keda = Footprint("keda", (Workload(name="operator", namespace="keda", cpu=20_000, memory=GI),))
    with pytest.raises(BudgetError) as caught:
        budget(stack(), [keda])
    assert caught.value.hint.startswith("start agents without it (scaler: direct)")


def test_no_room_for_an_agent_names_the_profiles_that_have_it() -> None:
    with pytest.raises(BudgetError) as caught:
        budget(stack(profile="conservative"), [forge(cpu=11_000)])
    message = str(caught.value)
    assert message.startswith("node spark: no agent of profile conservative fits, 1 core too much\n")
    assert "one agent      -2          -8        -6  <-- 1 core" in message
    assert caught.value.hint.startswith("choose profile balanced or aggressive, reserve less")


def test_a_reservation_that_breaks_the_node_says_which_key_to_change() -> None:
    settings = stack()
    disk = settings.reserved.model_copy(update={"system_disk": 4000 * GI})
    with pytest.raises(BudgetError) as caught:
        budget(settings.model_copy(update={"reserved": disk}), [])
    assert "system does not fit, 400 GiB of disk too much" in str(caught.value)
    assert "reserved.systemCpu, systemMemory, systemDisk" in caught.value.hint
