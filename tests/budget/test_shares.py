"""Quotas and limit ranges: what is declared fits, one agent more does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.budget import Footprint, Quota, Workload, budget
from components.units import GI, MI
from tests.budget.machines import SPARK, stack, watcher


def admitted(quota: Quota, pods: list[Workload]) -> bool:
    """As the API server's admission would say for these pods at once."""
    limited = not quota.cpu_limit or sum(pod.cpu_limit for pod in pods) <= quota.cpu_limit
    return (
        len(pods) <= quota.pods
        and sum(pod.cpu for pod in pods) <= quota.cpu
        and sum(pod.memory for pod in pods) <= quota.memory
        and sum(pod.memory_limit or pod.memory for pod in pods) <= quota.memory_limit
        and limited
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


def test_other_namespaces_have_room_to_roll_out_their_largest_pod() -> None:
    system = Footprint(
        "system",
        (
            Workload(name="large", namespace="monitoring", cpu=500, memory=2 * GI, memory_limit=3 * GI),
            Workload(name="small", namespace="monitoring", cpu=10, memory=32 * MI, every_node=True),
        ),
    )
    quota = budget(stack(SPARK, {**SPARK, "name": "second"}), [system]).quotas["monitoring"]
    assert (quota.pods, quota.cpu, quota.memory) == (4, 1020, 4 * GI + 64 * MI)
    assert quota.memory_limit == 6 * GI + 64 * MI


def test_cpu_limits_are_counted_only_where_every_pod_has_one() -> None:
    free = budget(stack(), [watcher()])
    assert free.quotas["ci"].cpu_limit == 0, "a quota on limits.cpu would force a limit on the API"
    assert budget(stack(), []).quotas["ci"].cpu_limit == free.agents.cpu_limit * 12


def test_storage_is_the_declared_volumes_and_the_agents_cache() -> None:
    result = budget(stack(), [watcher()])
    assert result.quotas["ci"].storage == 2 * GI + result.agents.cache


def test_a_container_without_requests_gets_no_more_than_the_smallest_that_has_them() -> None:
    limits = budget(stack(), [watcher(cpu=50, memory=64 * MI)]).limits
    assert (limits["monitoring"].default_cpu, limits["monitoring"].default_memory) == (50, 64 * MI)
    assert limits["ci"].max_memory == 4 * GI
