"""The stack as a graph: systems, who owns them, what flows between them; drawn from what the systems say of themselves.

Owns: nodes and arrows of a stack, the Mermaid text.
Leaves to others: which systems a stack has (`systems`), each one's `FLOWS` (its file), the picture
(`graph.layout`, `graph.svg`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from components.budget import Footprint
from components.host import config as k3s
from components.settings import Reserved, Settings
from components.systems import Entry, entries
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
    systems = entries(settings)
    nodes = [Node(name, "outside", "") for name in (YOU, PULUMI)]
    nodes += [_node(entry, settings) for entry in systems]
    names = {node.name for node in nodes}
    # Without a cluster `up` writes what Flux would read, and installs nothing.
    flux = (PULUMI, "flux", "writes its repository" if settings.cluster.kind == "embedded" else "installs")
    flows = [*_FROM_OUTSIDE, flux, *((e.system.NAME, *flow) for e in systems for flow in e.system.FLOWS)]
    return Graph(settings.environment, tuple(nodes), tuple(Arrow(*flow) for flow in flows if {*flow[:2]} <= names))


def _node(entry: Entry, settings: Settings) -> Node:
    if entry.system.NAME == k3s.NAME:  # the machine: what is kept back for it says more than k3s' two small pods
        return Node(k3s.NAME, "L0", _reserved(settings.reserved))
    layer: Layer = "L2" if entry.component else "L1"
    return Node(entry.system.NAME, layer, _asks(entry.system.footprint(settings)))


def _reserved(reserved: Reserved) -> str:
    cpu, memory = reserved.system_cpu + reserved.kube_cpu, reserved.system_memory + reserved.kube_memory
    return f"{cores_text(cpu)} CPU · {size_text(memory)}"


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
