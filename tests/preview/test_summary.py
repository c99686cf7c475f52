"""The comment, against golden files (RAIBID_UPDATE_GOLDEN=1 writes them anew), and what must hold for any input."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.review.summary import LIMIT, Preview, PreviewError, marker, summarize
from components.review.tree_diff import FileChange, Rendering, TreeDiff, compare

HERE = Path(__file__).parent
BEFORE = Rendering(
    files={"infrastructure/a.yaml": "kind: A\nspec:\n  replicas: 1\n", "infrastructure/gone.yaml": "kind: Gone\n"},
    budget={"agents": {"maximum": 3, "cpu": 2000, "memory": 8 * 2**30}, "profile": "conservative"},
)
AFTER = Rendering(
    files={"infrastructure/a.yaml": "kind: A\nspec:\n  replicas: 2\n", "infrastructure/new.yaml": "kind: New\n"},
    budget={"agents": {"maximum": 7, "cpu": 1000, "memory": 8 * 2**30}, "profile": "balanced"},
)
VIOLATION = {
    "path": "infrastructure/a.yaml",
    "object": "Deployment ci/a",
    "rule": "no-latest",
    "message": "container a: image busybox",
    "remedy": "name a fixed tag",
}
CHANGED = compare("dgx-spark", "origin/main", BEFORE, AFTER)
SAME = compare("dgx-spark", "origin/main", AFTER, AFTER)


def preview(name: str) -> Preview:
    return Preview.read((HERE / "fixtures" / f"{name}.json").read_text())


CASES: dict[str, str] = {
    "everything-changes": summarize(CHANGED, [VIOLATION], preview("preview")),
    "nothing-changes": summarize(SAME, []),
    "the-preview-failed": summarize(SAME, [], preview("preview-that-failed")),
    "the-head-cannot-be-rendered": summarize(
        TreeDiff("dgx-spark", "origin/main", notes=("it does not fit:\n  cpu  24 of 20 cores",), compared=False), None
    ),
    "the-base-has-no-stack": summarize(
        compare("dgx-spark", "v0.1", Rendering({}, {}), AFTER, ("v0.1 has no stack dgx-spark: everything is new",)), []
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_comment_reads_so(case: str) -> None:
    golden = HERE / "golden" / f"{case}.md"
    if os.environ.get("RAIBID_UPDATE_GOLDEN"):
        golden.write_text(CASES[case])
    assert CASES[case] == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_the_marker_is_the_first_line_so_that_the_comment_is_found_again(case: str) -> None:
    assert CASES[case].splitlines()[0] == marker("dgx-spark")


def test_of_a_secret_input_only_the_name_is_shown() -> None:
    digest = json.loads((HERE / "fixtures" / "preview.json").read_text())
    for step in digest["steps"]:
        for state in ("oldState", "newState"):
            step.get(state, {}).get("inputs", {}).update(password="sentinel-of-this-test")
    assert "sentinel-of-this-test" not in summarize(CHANGED, [], Preview.read(json.dumps(digest)))


def test_a_component_without_a_detailed_diff_still_shows_which_files_change() -> None:
    (fleet,) = [step for step in preview("preview").steps if step.name == "fleet"]
    assert fleet.properties == ("files.a/b.yaml",)


def test_a_manifest_with_a_fence_in_it_stays_inside_its_block() -> None:
    change = FileChange("a.md", "added", "@@\n+```\n+````sh\n+</details>")
    text = summarize(TreeDiff("s", "b", (change,)), [])
    assert "\n`````diff\n" in text


def test_a_cell_cannot_end_its_row_or_open_html() -> None:
    text = summarize(SAME, [{**VIOLATION, "message": "a | b\n<script>"}])
    assert "a \\| b &lt;script>" in text


def changes(count: int, lines: int) -> tuple[FileChange, ...]:
    return tuple(
        FileChange(f"infrastructure/{n:05}.yaml", "changed", "\n".join(f"+line {n} {i}" for i in range(lines)))
        for n in range(count)
    )


@pytest.mark.parametrize(("count", "lines"), [(1, 100_000), (300, 100), (20_000, 1)])
def test_however_much_changes_the_comment_fits_and_says_what_it_left_out(count: int, lines: int) -> None:
    text = summarize(TreeDiff("s", "b", changes(count, lines)), [])
    assert len(text) <= LIMIT
    assert text.count("<details>") == text.count("</details>")
    assert re.search(r"… and \d+ more files|… [\d]+ more lines", text)


def test_however_many_rules_are_broken_the_comment_fits() -> None:
    assert len(summarize(TreeDiff("s", "b", changes(3, 3)), [VIOLATION] * 5_000)) <= LIMIT


_TEXT = st.text(max_size=200)


@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=5), _TEXT)
def test_any_text_is_folded_into_well_formed_blocks(files: list[tuple[str, str]], note: str) -> None:
    text = summarize(TreeDiff("s", "b", tuple(FileChange("p", "added", d) for _, d in files), (), (note,)), [])
    assert text.startswith(marker("s"))
    assert text.count("<details><summary>") >= len(files)


def test_what_was_not_looked_at_is_not_called_clean() -> None:
    text = summarize(TreeDiff("s", "b", compared=False), None)
    assert "no violation" not in text
    assert "no file changes" not in text
    assert "#### Policies: not checked" in text
    assert "#### Flux repository: not compared" in text


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "{}", '"x"'])
def test_what_is_no_preview_is_refused(text: str) -> None:
    with pytest.raises(PreviewError):
        Preview.read(text)


def test_a_failed_preview_without_steps_is_one() -> None:
    assert preview("preview-that-failed").errors == ("BudgetError: dgx-spark does not fit:\n  cpu  24 of 20 cores",)


def figures(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {f.name: (f.before, f.after) for f in compare("s", "b", Rendering({}, old), Rendering({}, new)).figures}


def test_figures_are_told_as_kubernetes_writes_them() -> None:
    assert figures({"agents": {"cpu": 2000, "memory": 2**30}}, {"agents": {"cpu": 500, "memory": 2**31}}) == {
        "agents.cpu": ("2", "500m"),
        "agents.memory": ("1Gi", "2Gi"),
    }


def test_how_many_agents_there_are_is_told_even_when_it_stays() -> None:
    assert figures({"agents": {"maximum": 7}}, {"agents": {"maximum": 7}}) == {"agents.maximum": ("7", "7")}


def test_lists_are_compared_by_name_not_by_place() -> None:
    old = {"systems": [{"name": "a", "cpu": 1000}, {"name": "b", "cpu": 1000}]}
    new = {"systems": [{"name": "b", "cpu": 1000}]}
    assert figures(old, new) == {"systems.a.cpu": ("1", "")}
