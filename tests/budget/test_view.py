"""The budget as text, JSON and picture: what a document or a pull request shows does not change by itself."""

from __future__ import annotations

import io
import json
import os
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from components.budget import Budget, budget
from components.budget.svg import draw
from components.budget.view import bar, headline, ledger_table, profiles_table, to_json
from tests.budget.machines import CLASSES, MISSION, SPARK, stack

GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("RAIBID_UPDATE_GOLDEN") == "1"


def spark(profile: str = "balanced") -> Budget:
    node = {**SPARK, "cores": CLASSES, "gpu": {"replicas": 4}}
    return budget(stack(node, profile=profile, reserved={"inferenceMemory": "32Gi"}), MISSION)


def text_of(view: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=120, no_color=True)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def everything() -> dict[str, str]:
    proved = spark()
    profiles = {name: spark(name) for name in ("conservative", "balanced", "aggressive", "pinned")}
    return {
        "table.txt": headline(proved) + "\n" + text_of(ledger_table(proved.ledgers[0])),
        "profiles.txt": text_of(profiles_table({**profiles, "imagined": "nodes[0].cores has no such thing"})),
        "budget.json": json.dumps(to_json("spark", proved), indent=2) + "\n",
        "budget.svg": draw("spark", proved),
        "two-nodes.svg": draw("pair", budget(stack(SPARK, {**SPARK, "name": "second", "cpu": 12}), MISSION)),
    }


@pytest.mark.parametrize("name", ["table.txt", "profiles.txt", "budget.json", "budget.svg", "two-nodes.svg"])
def test_the_view_is_the_golden_one(name: str) -> None:
    text = everything()[name]
    if UPDATE:
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text(), "RAIBID_UPDATE_GOLDEN=1 writes it anew"


def test_the_json_adds_up_like_the_ledger() -> None:
    for node in to_json("spark", spark())["nodes"]:
        for resource, capacity in node["capacity"].items():
            assert sum(line[resource] for line in node["lines"]) == capacity


def test_segments_of_the_picture_meet_and_end_with_the_frame() -> None:
    root = ElementTree.fromstring(draw("spark", spark()))
    space = "{http://www.w3.org/2000/svg}"
    rows: dict[str, list[tuple[int, int]]] = {}
    for rectangle in root.iter(f"{space}rect"):
        if rectangle.get("class") != "frame":
            rows.setdefault(str(rectangle.get("y")), []).append(
                (int(rectangle.get("x", 0)), int(rectangle.get("width", 0)))
            )
    assert len(rows) == 3
    for segments in rows.values():
        assert all(x + width == after for (x, width), (after, _) in pairwise(segments))
        assert segments[-1][0] + segments[-1][1] == 110 + 730


def test_names_in_the_picture_are_text_and_never_markup() -> None:
    root = ElementTree.fromstring(draw('<script>"&', spark()))
    assert 'Budget of stack <script>"&' in "".join(root.itertext())


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.integers(1, 40))
def test_a_bar_never_leaves_its_column_and_shows_whatever_is_there(part: int, whole: int, width: int) -> None:
    drawn = bar(part, whole, width)
    assert len(drawn) == width
    assert (drawn.strip() != "") == (part > 0)
