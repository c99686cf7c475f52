"""Who gives way when the machine is full: agents before the API, the API before the data.

Owns: the PriorityClasses.
Leaves to others: which pods carry them (each system's file), how much there is (`budget`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint
from components.manifest_tree import Manifest, Tree, emit
from components.settings import Settings
from components.workload import metadata

NAME: Final = "priority"
FLOWS: Final = ()
DIRECTORY: Final = "infrastructure/namespaces/priority"
AGENTS: Final = "raibid-agents"
SERVICES: Final = "raibid-services"
DATA: Final = "raibid-data"


def footprint(settings: Settings) -> Footprint:
    """Nothing runs."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    # An agent is lost work of minutes, so it evicts nobody; Redis holds every acknowledged job.
    classes = [
        _priority_class(AGENTS, 1_000, "Builds: the queue starts a lost one again.", preempts=False),
        _priority_class(SERVICES, 10_000, "The API and what keeps the pool running."),
        _priority_class(DATA, 100_000, "Redis: the pool's memory."),
    ]
    return Tree(NAME, {DIRECTORY: classes})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """The same everywhere."""
    return {}


def _priority_class(name: str, value: int, description: str, *, preempts: bool = True) -> Manifest:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": metadata(name, None, NAME),
        "value": value,
        "preemptionPolicy": "PreemptLowerPriority" if preempts else "Never",
        "description": description,
    }


@dataclass(frozen=True, kw_only=True)
class PriorityArgs:
    """What the component needs."""

    settings: Settings


class Priority(ComponentResource):
    """The PriorityClasses in the stack's graph; Flux owns them."""

    def __init__(self, name: str, args: PriorityArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Priority", name, {"files": files}, opts)
        self.register_outputs({})
