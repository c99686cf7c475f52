"""The stack as a graph: systems, who owns them, what flows between them; drawn from what the systems say of themselves.

Owns: nodes and arrows of a stack, the Mermaid text.
Leaves to others: which systems a stack has (`systems`), each one's `LAYER` and `FLOWS` (its file), the picture
(`graph_layout`, `graph_svg`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from components.budget import Footprint
from components.settings import Settings
from components.systems import System, enabled
from components.units import cores_text, size_text

Layer = Literal["outside", "L0", "L1", "L2"]

OWNERS: Final[Mapping[Layer, str]] = {
    "outside": "outside the stack",
    "L0": "L0 · the host: Pulumi, over SSH",
    "L1": "L1 · bootstrap: Pulumi, by the API server",
    "L2": "L2 · the cluster: Flux, from Git",
}
YOU: Final = "you"
PULUMI: Final = "pulumi up"
_FROM_OUTSIDE: Final = (
    (YOU, "gitea", "git push"),
    (YOU, "raibid-api", "raibid, console"),
    (PULUMI, "k3s", "installs"),
    (PULUMI, "gitea", "Flux repository"),
    (PULUMI, "flux", "installs"),
)


@dataclass(frozen=True)
class Node:
    """A system, or something outside that starts a flow."""

    name: str
    layer: Layer
    asks: str
    """Requests of all its replicas, as text; empty: none."""


@dataclass(frozen=True)
class Arrow:
    """What flows from one to another; it points from whoever starts it."""

    source: str
    target: str
    label: str


@dataclass(frozen=True)
class Graph:
    """A stack, drawn."""

    stack: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]

    def of(self, layer: Layer) -> tuple[Node, ...]:
        """The nodes of one owner."""
        return tuple(node for node in self.nodes if node.layer == layer)


def graph(settings: Settings) -> Graph:
    """Systems of the stack and the flows between those that are there."""
    systems = enabled(settings)
    nodes = [_node(system, settings) for system in systems]
    names = {node.name for node in nodes}
    outside = [Node(name, "outside", "") for name in (YOU, PULUMI)]
    arrows = [Arrow(*flow) for flow in _FROM_OUTSIDE if flow[1] in names]
    arrows += [Arrow(s.NAME, target, label) for s in systems for target, label in s.FLOWS if target in names]
    return Graph(settings.environment, (*outside, *nodes), tuple(arrows))


def _node(system: System, settings: Settings) -> Node:
    return Node(system.NAME, system.LAYER, _asks(system.footprint(settings)))


def _asks(footprint: Footprint) -> str:
    cpu = sum(workload.cpu * workload.replicas for workload in footprint.workloads)
    memory = sum(workload.memory * workload.replicas for workload in footprint.workloads)
    return f"{cores_text(cpu)} CPU · {size_text(memory)}" if cpu or memory else ""


def mermaid(drawn: Graph) -> str:
    """A flowchart: a subgraph per owner, an arrow per flow."""
    return "\n".join(_lines(drawn)) + "\n"


def _lines(drawn: Graph) -> Iterator[str]:
    ids = {node.name: f"n{number}" for number, node in enumerate(drawn.nodes)}
    yield "flowchart LR"
    for layer, title in OWNERS.items():
        if not drawn.of(layer):
            continue
        yield f'    subgraph {layer}["{title}"]'
        for node in drawn.of(layer):
            text = f"{node.name}<br>{node.asks}" if node.asks else node.name
            yield f'        {ids[node.name]}["{text}"]'
        yield "    end"
    for arrow in drawn.arrows:
        yield f'    {ids[arrow.source]} -->|"{arrow.label}"| {ids[arrow.target]}'
