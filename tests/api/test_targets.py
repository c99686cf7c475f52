"""The file of notifications' targets: what is wrong in it is said by name and line, and never with a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from raibid.api.targets import TargetError, load_targets


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "targets.yaml"
    file.write_text(text)
    return file


def test_a_target_is_a_name_and_one_or_more_urls(tmp_path: Path) -> None:
    targets = load_targets(written(tmp_path, "team: json://h/s3cret\nops: [json://h/a, ntfys://h/topic]  # two\n"))
    assert targets == {"team": ("json://h/s3cret",), "ops": ("json://h/a", "ntfys://h/topic")}


def test_an_empty_file_has_none(tmp_path: Path) -> None:
    assert load_targets(written(tmp_path, "# nobody yet\n")) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("team: [s3cret", ":1: not YAML"),
        ("- s3cret", "(top)"),
        ("team: s3cret", "team: not a URL that apprise knows"),
        ("team: 's3cret://s3cret/s3cret'", "team: not a URL that apprise knows"),
        ("team: [json://h/ok, s3cret]", "team: not a URL that apprise knows"),
        ("team: {s3cret: 1}", "team: Input should be a valid tuple"),
        ("team: []", "team: "),
        ("'a b': json://h/s3cret", "a b"),
        ("team: json://h/s3cret\nteam: json://h/s3cret", "not YAML"),
    ],
    ids=["unclosed", "list", "no-url", "unknown-scheme", "one-of-two", "mapping", "none", "name", "twice"],
)
def test_a_file_that_cannot_be_used_is_refused_without_its_secrets(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TargetError) as refused:
        load_targets(written(tmp_path, text))
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert load_targets(tmp_path / "nowhere") == {}


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="Is a directory"):
        load_targets(tmp_path)
