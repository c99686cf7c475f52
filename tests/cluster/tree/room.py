"""What a stack's budget leaves free in a namespace of a real cluster, and pods that fill it.

Owns: waiting until the workloads of a namespace have their pods, filling the room for agents to the last.
Leaves to others: the budget (`components.budget`), what each stack is asked (tests).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from components.budget import Budget
from components.systems import budget_of
from policies.rule import AGENTS
from tests.cluster.tree.api import Answer, Api, Manifest
from tests.cluster.tree.emitted import EmittedCluster
from tests.waiting import until


def budget(cluster: EmittedCluster) -> Budget:
    """What the stack has proved to fit."""
    return budget_of(cluster.tree.settings)


@contextmanager
def gone_afterwards(api: Api, *manifests: Manifest) -> Iterator[None]:
    """Whatever of these there is ends with the block; nothing runs on a cluster without nodes."""
    try:
        yield
    finally:
        for manifest in manifests:
            api.delete(manifest, grace=0)


def in_place(cluster: EmittedCluster, namespace: str) -> None:
    """Return when the namespace's own workloads have their pods, so that all that is left of its quota is free."""
    until(lambda: not _missing(cluster.api, namespace), f"the workloads of {namespace} have their pods")


def _missing(api: Api, namespace: str) -> list[str]:
    """Workloads whose pods the controllers have not made, or were not let make."""
    kinds = [("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")]
    found = [item for version, kind in kinds for item in api.list(version, kind, namespace)]
    return [item["metadata"]["name"] for item in found if item["status"].get("replicas", 0) != item["spec"]["replicas"]]


def all_agents_and_one_more(cluster: EmittedCluster) -> tuple[list[Answer], Answer]:
    """What the API server says to as many agents as the budget has, and to another one."""
    in_place(cluster, AGENTS)
    agents = [cluster.agent(f"agent-{number}") for number in range(budget(cluster).agents.total)]
    with gone_afterwards(cluster.api, *agents):
        return [cluster.api.create(agent) for agent in agents], cluster.api.create(cluster.agent("one-too-many"))
