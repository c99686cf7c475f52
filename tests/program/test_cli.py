"""`python -m components` before it does anything: fast to start, honest about its use."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.__main__ import COMMANDS, run
from components.checkout import ROOT

HEAVY = ("pulumi", "pulumi_kubernetes", "pydantic", "ruamel", "requests", "yaml", "cryptography", "pyrage")
NAMES = [name for _, name, _, _ in COMMANDS]


def test_help_imports_none_of_what_the_commands_need() -> None:
    program = (
        "import sys\n"
        "from components.__main__ import run\n"
        "run(['--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
        "print(sorted(n for n in sys.modules if n.startswith('components.')), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy, own = done.stderr.splitlines()
    assert heavy == "[]"
    assert own == "['components.__main__']"


def test_without_its_packages_the_program_says_how_to_get_them() -> None:
    """`-S`: as with the system's own interpreter, no site-packages."""
    program = [sys.executable, "-S", "-m", "components", "budget"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "next: make env && . .venv/bin/activate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"python -m components {name}" in shown.partition("For example:")[2]


@pytest.mark.parametrize("arguments", [["rendr"], ["render"], ["plan", "--stack"], ["render", "--zz"]])
def test_wrong_use_is_exit_code_2_and_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("components: ")
    assert "python -m components" in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("command", ["image", "gitea-setup", "commit-status"])
@pytest.mark.parametrize("text", ["", "no JSON", '{"password": "sentinel"}'])
def test_stdin_that_is_no_order_is_wrong_use_and_not_repeated(
    command: str, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert run([command]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("components: ")
    assert "sentinel" not in told.err


@pytest.mark.parametrize("command", ["render", "plan", "budget"])
def test_a_stack_that_is_not_there_is_a_sentence(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--out", "nowhere"] if command == "render" else []
    assert run([command, "--stack", "dgx-sparc", *more]) != 0
    assert "dgx-spark" in capsys.readouterr().err, "the stack that was meant is named"


def test_up_says_what_to_do_for_a_stack_with_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--stack", "dgx-spark"]) == 2
    assert "pulumi up -s dgx-spark" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan --stack local", "budget --stack local", "graph --stack local", "--help"])
def test_a_reader_that_goes_away_is_no_error(command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "components", *command.split()],
            cwd=ROOT,
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write)
    assert done.returncode == 0
    assert "Broken pipe" not in done.stderr
    assert "Traceback" not in done.stderr


def test_plan_prints_the_tree_and_the_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--stack", "local"]) == 0
    shown = capsys.readouterr().out
    assert "raibid:components:FluxRepo" in shown
    assert "[secret]" in shown
    assert "fleet.revision: [unknown]" in shown
    assert "agents" in shown, "the budget follows"


def test_a_plan_as_json_holds_the_objects_that_pulumi_owns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--stack", "dev", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kinds = {manifest["kind"] for manifest in told["objects"].values()}
    assert {"Namespace", "Secret", "StatefulSet", "FluxInstance"} <= kinds
    assert told["budget"]["stack"] == "dev"


def test_captured_objects_are_files_without_secret_values(tmp_path: Path) -> None:
    assert run(["plan", "--stack", "dev", "--objects", str(tmp_path)]) == 0
    secret = yaml.safe_load((tmp_path / "cluster-secret-sops-age.yaml").read_text())
    assert secret["stringData"] == {"age.agekey": "[secret]"}


def test_captured_secrets_are_objects_that_an_api_server_takes(tmp_path: Path) -> None:
    assert run(["plan", "--stack", "dgx-spark", "--objects", str(tmp_path)]) == 0
    found = [yaml.safe_load(file.read_text()) for file in tmp_path.glob("*.yaml")]
    secrets = {item["metadata"]["name"]: item["stringData"] for item in found if item["kind"] == "Secret"}
    assert len(secrets) > 2
    assert [name for name, values in secrets.items() if not isinstance(values, dict)] == []
