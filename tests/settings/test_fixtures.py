"""Each file of valid/ is accepted, each of invalid/ breaks the rule that it is named after, in just these words.

A file of invalid/ holds what differs from valid/minimal.yaml, and the lines that an operator reads:
`# expect: path: value: rule: suggestion`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.settings import SettingsError, load_stack

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent / "Pulumi.yaml"
VALID = sorted((HERE / "valid").glob("*.yaml"))
INVALID = sorted((HERE / "invalid").glob("*.yaml"))
EXPECT = "# expect: "
yaml = YAML(typ="safe")


def stack_file(directory: Path, content: object) -> None:
    (directory / "Pulumi.yaml").write_bytes(PROJECT.read_bytes())
    with (directory / "Pulumi.fixture.yaml").open("w") as file:
        yaml.dump(content, file)


@pytest.mark.parametrize("fixture", VALID, ids=lambda path: path.stem)
def test_a_good_stack_is_accepted(fixture: Path, tmp_path: Path) -> None:
    stack_file(tmp_path, yaml.load(fixture))
    assert load_stack("fixture", tmp_path).nodes


@pytest.mark.parametrize("fixture", INVALID, ids=lambda path: path.stem)
def test_a_broken_rule_is_told_as_path_value_rule_and_suggestion(fixture: Path, tmp_path: Path) -> None:
    base, broken = yaml.load(VALID_BASE)["config"], yaml.load(fixture)["config"]
    config = {key: value for key, value in {**base, **broken}.items() if value is not None}
    stack_file(tmp_path, {"config": config})
    with pytest.raises(SettingsError) as caught:
        load_stack("fixture", tmp_path)
    text = fixture.read_text()
    expected = [line.removeprefix(EXPECT) for line in text.splitlines() if line.startswith(EXPECT)]
    assert [str(problem) for problem in caught.value.problems] == expected
    assert "hunter2" not in str(caught.value).lower()


VALID_BASE = HERE / "valid" / "minimal.yaml"
