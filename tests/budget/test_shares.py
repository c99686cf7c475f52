"""Quotas and limit ranges: what is declared fits, one agent more does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.budget import Footprint, Quota, Workload, budget
from components.units import GI, MI
from tests.budget.machines import SPARK, stack, watcher


def admitted(quota: Quota, pods: list[Workload]) -> bool:
    """As the API server's admission would say for these pods at once."""
    return (
        len(pods) <= quota.pods
        and sum(pod.cpu for pod in pods) <= quota.cpu
        and sum(pod.memory for pod in pods) <= quota.memory
        and sum(pod.memory_limit or pod.memory for pod in pods) <= quota.memory_limit
    )


@given(
    st.lists(
        st.builds(
            Workload,
            name=st.just("beside"),
            namespace=st.just("ci"),
            cpu=st.integers(1, 999),
            memory=st.integers(MI, 4 * GI),
            cpu_limit=st.sampled_from([0, 1000]),
            replicas=st.integers(1, 3),
        ),
        max_size=2,
    ),
    st.sampled_from(["conservative", "balanced", "aggressive"]),
)
def test_the_agents_quota_admits_all_that_is_declared_and_not_one_agent_more(
    beside: list[Workload], profile: str
) -> None:
    result = budget(stack(profile=profile), [Footprint("system", tuple(beside))])
    each = result.agents
    agent = Workload(
        name="agent",
        namespace="ci",
        cpu=each.cpu,
        memory=each.memory,
        cpu_limit=each.cpu_limit,
        memory_limit=each.memory_limit,
    )
    pods = [workload for workload in beside for _ in range(workload.replicas)] + [agent] * each.total
    assert admitted(result.quotas["ci"], pods)
    assert not admitted(result.quotas["ci"], [*pods, agent])


def test_other_namespaces_have_room_to_roll_out_all_their_deployments_at_once() -> None:
    """As the upgrade of a chart does; a DaemonSet and what holds a volume end the old pod first."""
    system = Footprint(
        "system",
        (
            Workload(name="large", namespace="monitoring", cpu=500, memory=2 * GI, memory_limit=3 * GI),
            Workload(name="several", namespace="monitoring", cpu=100, memory=GI, replicas=2),
            Workload(name="stateful", namespace="monitoring", cpu=1000, memory=4 * GI, disk=GI),
            Workload(name="small", namespace="monitoring", cpu=10, memory=32 * MI, every_node=True),
        ),
    )
    quota = budget(stack(SPARK, {**SPARK, "name": "second"}), [system]).quotas["monitoring"]
    running, starting = (1 + 2 + 1 + 2, 500 + 2 * 100 + 1000 + 2 * 10), (1 + 1, 500 + 100)
    assert (quota.pods, quota.cpu) == (running[0] + starting[0], running[1] + starting[1])
    assert quota.memory == (2 + 2 + 4) * GI + 64 * MI + (2 + 1) * GI
    assert quota.memory_limit == (3 + 2 + 4) * GI + 64 * MI + (3 + 1) * GI


def test_a_pool_is_exactly_its_room_for_pods_of_any_size_up_to_all_of_it() -> None:
    pool = Workload(name="pool", namespace="apps", cpu=500, memory=GI, disk=10 * GI, pool=True)
    result = budget(stack(), [Footprint("apps", (pool,))])
    quota, limits = result.quotas["apps"], result.limits["apps"]
    whole, half = (Workload(name="a", namespace="apps", cpu=500 // share, memory=GI // share) for share in (1, 2))
    assert admitted(quota, [whole])
    assert admitted(quota, [half, half])
    assert not admitted(quota, [half, half, half])
    assert (quota.storage, limits.max_memory) == (10 * GI, GI)
    assert 0 < limits.default_cpu < 500


def test_a_pool_of_nothing_lets_nobody_in() -> None:
    pool = Workload(name="pool", namespace="apps", cpu=0, memory=0, pool=True)
    assert budget(stack(), [Footprint("apps", (pool,))]).quotas["apps"].pods == 0


def test_the_agents_namespace_has_all_leases_of_the_gpu() -> None:
    quotas = budget(stack({**SPARK, "gpu": {"replicas": 4}}), [watcher()]).quotas
    assert {name: quota.gpu for name, quota in quotas.items()} == {"ci": 4, "monitoring": 0}


def test_storage_is_the_declared_volumes_and_the_agents_cache() -> None:
    result = budget(stack(), [watcher()])
    assert result.quotas["ci"].storage == 2 * GI + result.agents.cache


def test_a_container_without_requests_gets_no_more_than_the_smallest_that_has_them() -> None:
    limits = budget(stack(), [watcher(cpu=50, memory=64 * MI)]).limits
    assert (limits["monitoring"].default_cpu, limits["monitoring"].default_memory) == (50, 64 * MI)
    assert limits["ci"].max_memory == 4 * GI
