"""Whole pipeline files: every fixture under valid/ loads, every one under invalid/ breaks the rule it is named after.

A new rule is a new file; `RAIBID_UPDATE_GOLDEN=1` writes the report that belongs beside it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
from raibid.model.findings import RULES
from raibid.model.lint import PipelineError, format_findings, lint, load
from raibid.model.pipeline import Pipeline
from raibid.model.schema import json_schema
from raibid.model.yaml_source import MAX_BYTES
from ruamel.yaml import YAML

FIXTURES = Path(__file__).parent / "fixtures" / "pipelines"
VALID = sorted((FIXTURES / "valid").glob("*.yaml"))
INVALID = sorted((FIXTURES / "invalid").glob("*.yaml"))
MINIMAL = b"steps: [{name: test, run: make}]\n"


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_a_valid_file_loads_and_says_the_same_when_written_out(path: Path) -> None:
    pipeline = load(path.read_bytes())
    assert load(json.dumps(pipeline.as_data()).encode()) == pipeline


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_the_schema_accepts_every_valid_file_as_an_editor_reads_it(path: Path) -> None:
    jsonschema.validate(YAML(typ="safe", pure=True).load(path), json_schema())


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_an_invalid_file_is_reported_as_its_golden_text_says(path: Path) -> None:
    linted = lint(path.read_bytes())
    golden = path.with_suffix(".txt")
    report = format_findings(linted.findings) + "\n"
    if os.environ.get("RAIBID_UPDATE_GOLDEN"):
        golden.write_text(report)
    assert linted.pipeline is None
    assert path.stem in {finding.rule for finding in linted.findings}
    assert report == golden.read_text()


def test_every_rule_has_a_file_that_breaks_it() -> None:
    made_by_a_test = {"too-large"}
    assert {path.stem for path in INVALID} | made_by_a_test == set(RULES)


def test_a_file_over_the_limit_is_refused() -> None:
    [finding] = lint(MINIMAL + b"#" * MAX_BYTES).findings
    assert finding.rule == "too-large"
    assert lint(MINIMAL + b"#" * (MAX_BYTES - len(MINIMAL))).pipeline


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("a: \x01", 4),
        ('a: "\\UFFFFFFFF"', 2),
        ("a: @b", 4),
        ("\ta: b", 1),
        ("a: !<", 6),
        ("a: !e!f b", 4),
        ("a: 'b", 6),
    ],
    ids=["control-character", "escape-beyond-unicode", "reserved", "tab", "tag", "tag-handle", "open-quote"],
)
def test_what_is_not_yaml_is_reported_where_it_stands(line: str, column: int) -> None:
    [finding] = lint(f"# first\n{line}".encode()).findings
    assert (finding.rule, finding.line, finding.column) == ("syntax", 2, column)


def test_load_raises_the_whole_report() -> None:
    with pytest.raises(PipelineError, match=r"steps\[0\]\.timeout: bad-duration") as caught:
        load(b"colour: red\nsteps: [{name: a, run: make, timeout: 5}]\n")
    assert [finding.rule for finding in caught.value.findings] == ["unknown-key", "bad-duration"]


def test_a_mistake_inside_an_anchor_is_told_once_where_the_text_is() -> None:
    [finding] = lint(b"steps:\n- &a\n  name: a\n  run: x\n  timeout: 0s\n- <<: *a\n  name: b\n").findings
    assert (finding.line, finding.column, finding.path) == (5, 12, "steps[0].timeout")


def test_merged_entries_give_way_to_own_ones_and_earlier_mappings_win() -> None:
    pipeline = load((FIXTURES / "valid" / "merge-keys.yaml").read_bytes())
    _, test, last = pipeline.steps
    assert test.env == {"CARGO_TERM_COLOR": "always", "RUST_BACKTRACE": "1"}
    assert (last.name, last.run, last.timeout) == ("lint", "cargo check", 120)


def test_words_that_yaml_1_1_would_change_stay_as_written() -> None:
    pipeline = load((FIXTURES / "valid" / "yaml-1.2-words-are-text.yaml").read_bytes())
    assert list(pipeline.env.values()) == ["no", "on", "1.10", "010", "True"]
    assert pipeline.steps[0].when.branch is not None
    assert pipeline.steps[0].when.branch.include == ("on", "no")


@pytest.mark.parametrize(
    "bomb",
    ["[" * 200_000, "? " * 100_000, "a: {" * 60_000, "- " * 100_000, "? {" * 60_000],
    ids=["lists", "keys", "mappings", "block-lists", "mappings-as-keys"],
)
def test_a_depth_bomb_is_refused_before_it_is_built(bomb: str) -> None:
    [finding] = lint(bomb.encode()).findings
    assert finding.rule == "too-deep"


def test_an_alias_counts_with_the_depth_of_what_it_stands_for() -> None:
    levels = "".join(f"l{n}: &l{n} [*l{n - 1}]\n" for n in range(1, 25))
    [finding] = lint(f"l0: &l0 [x]\n{levels}".encode()).findings
    assert (finding.rule, finding.line) == ("too-deep", 20)


def test_an_alias_bomb_of_a_googol_values_is_refused_at_the_alias_that_goes_too_far() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 18))
    [finding] = lint(f"l0: &l0 [x]\n{levels}".encode()).findings
    assert (finding.rule, finding.line) == ("too-many-nodes", 5)


def test_a_pipeline_made_in_code_obeys_the_same_rules() -> None:
    twice = {"name": "a", "run": "make"}
    with pytest.raises(ValueError, match="have the same name"):
        Pipeline.model_validate({"steps": [twice, twice]})


def test_a_pipeline_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(MINIMAL).timeout = 1
