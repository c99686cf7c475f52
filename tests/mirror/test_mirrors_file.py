"""`mirrors.yaml`: every file under valid/ loads, every one under invalid/ breaks the rule it is named after.

A new rule is a new file; `RAIBID_UPDATE_GOLDEN=1` writes the report that belongs beside it, the schema and the tables.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.mirror import patterns
from raibid.mirror.errors import MirrorFileError
from raibid.mirror.lint import RULES, TEXT_RULES, lint, load
from raibid.mirror.schema import json_schema, reference_tables
from ruamel.yaml import YAML

from tests.mirror.command import Command

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
VALID = sorted((HERE / "fixtures" / "valid").glob("*.yaml"))
INVALID = sorted((HERE / "fixtures" / "invalid").glob("*.yaml"))
BEGIN, END = "<!-- generated: reference -->", "<!-- end -->"


def assert_current(file: Path, text: str) -> None:
    if os.environ.get("RAIBID_UPDATE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_file_loads_and_the_schema_accepts_it_as_an_editor_reads_it(path: Path) -> None:
    assert load(path)
    jsonschema.validate(YAML(typ="safe", pure=True).load(path), json_schema())


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_file_is_reported_as_its_golden_text_says(path: Path) -> None:
    linted = lint(path.read_bytes(), path.name)
    assert linted.file is None
    assert path.stem in {finding.rule for finding in linted.findings}
    assert_current(path.with_suffix(".txt"), f"{linted}\n")


def test_every_rule_has_a_file_that_breaks_it() -> None:
    assert {path.stem for path in INVALID} - set(TEXT_RULES) == set(RULES)


def test_a_token_that_was_written_out_is_not_repeated() -> None:
    assert "0123456789" not in str(lint((HERE / "fixtures" / "invalid" / "bad-token-name.yaml").read_bytes()))
    assert "token@" not in str(lint((HERE / "fixtures" / "invalid" / "bad-source.yaml").read_bytes()))


def test_load_raises_the_whole_report(tmp_path: Path) -> None:
    file = tmp_path / "mirrors.yaml"
    file.write_text("colour: red\nsingle: [{target: a}]\n")
    with pytest.raises(MirrorFileError) as caught:
        load(file)
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["1", "2"]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_text_at_all_makes_lint_raise(text: bytes) -> None:
    linted = lint(text)
    assert (linted.file is None) == bool(linted.findings)


_NODES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.sampled_from(["8h", "acme", "acme/it", "never", ".*", "(", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["github", "source", "target", "names", "include", "private", "hosts", "name", "port", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["hosts", "defaults", "single", "org", "other"]), _NODES, max_size=4))
def test_no_shape_of_file_makes_lint_raise(data: object) -> None:
    linted = lint(json.dumps(data).encode())
    assert (linted.file is None) == bool(linted.findings)


@given(st.text("abx.*+?{}()[]|\\^$1,-:=!", max_size=30))
def test_a_pattern_that_is_accepted_can_be_matched(pattern: str) -> None:
    if not patterns.complaint(pattern):
        patterns.matches([pattern], "a" * 100)


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|a)*b", "(?:a*)*b", "a*a*a*a*a*b", "(a*){9}b", "(.*)\\1b", "(?=.*.*).*b"]
)
def test_what_would_take_ages_is_not_accepted(pattern: str) -> None:
    assert patterns.complaint(pattern)


def test_a_pattern_is_the_whole_name_and_case_does_not_count() -> None:
    assert patterns.matches(["tool-.*"], "Tool-one")
    assert not patterns.matches(["tool"], "tool-one")


def test_the_command_reports_for_people_and_for_programs(tmp_path: Path) -> None:
    command = Command(tmp_path, "", "", tmp_path / "nothing")
    command.write("single: [{github: acme/anvil, target: mirrors/anvil, intervall: 8h}]\n")
    code, out, _ = command.run("lint")
    assert (code, out) == (
        1,
        "mirrors.yaml:1:54: single[0].intervall: unknown-key: the key `intervall` is not known "
        "(did you mean `interval`?)\n",
    )
    code, out, _ = command.run("lint", "--json")
    assert [finding["rule"] for finding in json.loads(out)["findings"]] == ["unknown-key"]
    command.write("single: [{github: acme/anvil, target: mirrors/anvil}]\n")
    assert command.run("lint")[:2] == (0, "mirrors.yaml: no findings\n")
    assert command.run("lint", "elsewhere.yaml")[0] == 7


def test_the_pages_example_is_a_valid_file() -> None:
    example = (DOCS / "mirrors.md").read_text().split("```yaml\n")[1].split("```")[0]
    assert not lint(example.encode()).findings
    jsonschema.validate(YAML(typ="safe", pure=True).load(example), json_schema())


def test_the_published_schema_is_the_models_and_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert_current(DOCS / "mirrors.schema.json", json.dumps(json_schema(), indent=2) + "\n")


def test_the_reference_is_the_models() -> None:
    page = DOCS / "mirrors.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    assert_current(page, f"{before}{BEGIN}\n\n{reference_tables()}\n{END}{after}")
