"""`python -m components budget`: what a person and a pipeline see."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from components.__main__ import run
from components.commands import budget as command
from components.settings import load_stack
from components.systems import budget_of
from tests.budget.machines import SPARK, stack

ROOT = Path(__file__).parent.parent.parent
STACKS = ["local", "dev", "dgx-spark"]


@pytest.mark.parametrize("name", STACKS)
def test_every_stack_fits_its_machine_and_shows_each_system(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["budget", "--stack", name]) == 0
    shown = capsys.readouterr().out
    for line in budget_of(load_stack(name)).ledgers[0].lines:
        assert line.name in shown
    assert "\x1b" not in shown, "no colour where nobody looks"


def test_json_is_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["budget", "--stack", "dgx-spark", "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert (answer["version"], answer["stack"], answer["gpuLeases"]) == (1, "dgx-spark", 4)
    assert captured.err == ""


def test_another_profile_is_tried_without_an_edit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["budget", "--stack", "dgx-spark", "--profile", "conservative", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agents"]["cpu"] == 2000


def test_profiles_stand_side_by_side_with_why_one_is_not_possible(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["budget", "--stack", "dev", "--profiles", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"conservative", "balanced", "aggressive", "pinned"}
    assert "static CPU policy" in answer["pinned"]["error"]
    assert run(["budget", "--stack", "dev", "--profiles"]) == 0
    assert "conservative" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--stack", "dgxspark"], 2, "did you mean dgx-spark?"),
        (["--stack", "local", "--profile", "pinned"], 2, "profile: pinned: needs the kubelet's static CPU policy"),
        (["--stack", "local", "--profile", "fast"], 2, "fast"),
        (["--stack", "local", "--profiles", "--profile", "balanced"], 2, "--profiles compares all of them"),
        (["--stack", "local", "--svg", "no/such/directory/a.svg"], 1, "no/such/directory/a.svg: No such file"),
    ],
    ids=["unknown-stack", "impossible-profile", "unknown-profile", "two-questions", "unwritable"],
)
def test_a_wrong_call_is_a_sentence_and_an_exit_code(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["budget", *arguments]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_an_overcommitted_node_ends_with_the_ledger_and_a_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "load_stack", lambda _: stack({**SPARK, "cpu": 9}))
    assert run(["budget", "--stack", "small"]) == 1
    told = capsys.readouterr().err
    assert "does not fit" in told
    assert "<-- " in told
    assert "next: " in told


def test_the_picture_of_the_documents_is_todays(tmp_path: Path) -> None:
    picture = ROOT / "docs" / "images" / "budget-dgx-spark.svg"
    target = picture if os.environ.get("RAIBID_UPDATE_GOLDEN") else tmp_path / "budget.svg"
    assert run(["budget", "--stack", "dgx-spark", "--svg", str(target), "--json"]) == 0
    assert target.read_text() == picture.read_text(), "RAIBID_UPDATE_GOLDEN=1 draws it anew"
