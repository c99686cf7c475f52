"""The schema and the reference say what the model says. `RAIBID_UPDATE_GOLDEN=1` writes them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
from raibid.model.lint import load
from raibid.model.pipeline_types import EVENTS
from raibid.model.schema import json_schema, reference_tables
from ruamel.yaml import YAML

DOCS = Path(__file__).parents[2] / "docs"
INVALID = Path(__file__).parent / "fixtures" / "pipelines" / "invalid"


def assert_current(path: Path, text: str) -> None:
    """The file has this text; with the flag set, it is given it."""
    if os.environ.get("RAIBID_UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text, "run the tests with RAIBID_UPDATE_GOLDEN=1"


def test_the_published_schema_is_the_models() -> None:
    assert_current(DOCS / "raibid.schema.json", json.dumps(json_schema(), indent=2) + "\n")


def test_the_reference_is_the_models() -> None:
    page = DOCS / "pipeline.md"
    before, _ = page.read_text().split("<!-- generated: reference -->")
    assert_current(page, f"{before}<!-- generated: reference -->\n{reference_tables()}<!-- end -->\n")


def test_the_example_in_the_reference_is_a_valid_pipeline() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", (DOCS / "pipeline.md").read_text(), re.DOTALL)
    assert [step.name for step in load(example.encode()).steps] == ["test", "deploy"]


def test_the_page_names_every_event_and_no_other() -> None:
    page = (DOCS / "pipeline.md").read_text()
    [sentence] = re.findall(r"^\* `event` is one of (.*), or a list of them\.$", page, re.MULTILINE)
    assert tuple(re.findall(r"`([^`]+)`", sentence)) == EVENTS


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


SEEN_BY_A_SCHEMA = """
    unknown-key missing-key wrong-type too-long bad-duration bad-image bad-class bad-env-name bad-secret-name
    unknown-value
"""


@pytest.mark.parametrize("rule", SEEN_BY_A_SCHEMA.split())
def test_an_editor_sees_the_mistakes_a_schema_can_express(rule: str) -> None:
    data = YAML(typ="safe", pure=True).load(INVALID / f"{rule}.yaml")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, json_schema())
