"""The graph and the pictures of the documentation: what the model draws (RAIBID_UPDATE_GOLDEN=1 draws them anew)."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.budget.svg import draw
from components.graph.layout import layout
from components.graph.model import OWNERS, PULUMI, YOU, graph, mermaid
from components.graph.svg import svg
from components.settings import load_stack
from components.systems import SYSTEMS, budget_of, enabled

DOCS = Path(__file__).parents[2] / "docs"
STACKS = ("local", "dev", "dgx-spark")
SPARK = graph(load_stack("dgx-spark"))


@pytest.mark.parametrize("stack", STACKS)
def test_every_system_of_the_stack_is_drawn_once(stack: str) -> None:
    settings = load_stack(stack)
    drawn = [node.name for node in graph(settings).nodes]
    assert set(drawn) >= {system.NAME for system in enabled(settings)}
    assert len(drawn) == len(set(drawn))


def test_every_flow_leads_to_a_system_that_some_stack_has() -> None:
    names = {system.NAME for system in SYSTEMS}
    assert {target for system in SYSTEMS for target, _ in system.FLOWS} <= names


@pytest.mark.parametrize("stack", STACKS)
def test_every_arrow_joins_two_nodes_that_are_there(stack: str) -> None:
    drawn = graph(load_stack(stack))
    names = {node.name for node in drawn.nodes}
    assert {name for arrow in drawn.arrows for name in (arrow.source, arrow.target)} <= names


def test_a_stack_without_machines_of_its_own_has_no_host() -> None:
    assert not graph(load_stack("local")).of("L0")
    assert [node.name for node in SPARK.of("L0")] == ["k3s"]


@pytest.mark.parametrize(("stack", "installs"), [("local", False), ("dev", True), ("dgx-spark", True)])
def test_only_a_stack_with_a_cluster_gets_flux_installed(stack: str, installs: bool) -> None:
    labels = {
        arrow.label for arrow in graph(load_stack(stack)).arrows if (arrow.source, arrow.target) == (PULUMI, "flux")
    }
    assert ("installs" in labels) is installs


def test_what_precedes_flux_belongs_to_pulumi() -> None:
    assert {node.name for node in SPARK.of("L1")} == {"gitea", "flux"}


def test_mermaid_names_every_node_and_every_owner() -> None:
    text = mermaid(SPARK)
    assert all(f'["{node.name}' in text for node in SPARK.nodes)
    assert all(title in text for title in OWNERS.values())


@pytest.mark.parametrize("stack", STACKS)
def test_the_svg_is_well_formed_the_same_each_time_and_within_its_frame(stack: str) -> None:
    drawn = graph(load_stack(stack))
    text = svg(drawn)
    root = ET.fromstring(text)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert text == svg(drawn)
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(box.get("x", 0)) <= width - float(box.attrib["width"])
        assert 0 <= float(box.get("y", 0)) <= height - float(box.attrib["height"])


_NODES = "abcdefgh"
_ARROWS = st.lists(
    st.tuples(st.sampled_from(_NODES), st.sampled_from(_NODES)).filter(lambda a: a[0] != a[1]), unique=True
)


@given(_ARROWS)
def test_any_graph_has_a_layout_in_which_each_route_crosses_neighbouring_columns(arrows: list[tuple[str, str]]) -> None:
    plan = layout(_NODES, arrows)
    column = {name: number for number, names in enumerate(plan.columns) for name in names}
    assert sum(map(len, plan.columns)) == len(column)
    for arrow in arrows:
        route = plan.routes[arrow]
        assert (route[0], route[-1]) == arrow
        steps = {column[right] - column[left] for left, right in pairwise(route)}
        assert len(steps) == 1
        assert steps <= {1, -1}


PICTURES = {
    "stack-dgx-spark.svg": lambda: svg(SPARK),
    "budget-dgx-spark.svg": lambda: draw("dgx-spark", budget_of(load_stack("dgx-spark"))),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_the_documentation_is_what_the_model_draws(name: str) -> None:
    file = DOCS / "images" / name
    if os.environ.get("RAIBID_UPDATE_GOLDEN"):
        file.write_text(PICTURES[name](), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == PICTURES[name]()


def test_the_readmes_flowchart_is_what_the_model_draws() -> None:
    file = DOCS.parent / "README.md"
    begin, end = "<!-- graph -->\n```mermaid\n", "```\n<!-- /graph -->"
    head, _, rest = file.read_text(encoding="utf-8").partition(begin)
    drawn, _, tail = rest.partition(end)
    if os.environ.get("RAIBID_UPDATE_GOLDEN"):
        drawn = mermaid(SPARK)
        file.write_text(f"{head}{begin}{drawn}{end}{tail}", encoding="utf-8")
    assert drawn == mermaid(SPARK)


def test_you_and_pulumi_start_something() -> None:
    assert {YOU, PULUMI} <= {arrow.source for arrow in SPARK.arrows}
