"""What the command is before it does anything: fast to start, honest about its use."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from raibid.cli.main import COMMANDS
from raibid.contract import ExitCode

DOCS = Path(__file__).parent.parent.parent / "docs" / "cli.md"
Raibid = Callable[..., tuple[int, str, str]]

HEAVY = ("fastapi", "starlette", "uvicorn", "redis", "pydantic", "boto3", "ruamel", "requests", "structlog", "msgspec")


def test_help_imports_none_of_what_the_commands_need() -> None:
    program = (
        "import sys\n"
        "from raibid.cli.main import run\n"
        "run(['--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
        "print(sorted(n for n in sys.modules if n.startswith('raibid.')), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy, own = done.stderr.splitlines()
    assert heavy == "[]"
    assert own == "['raibid.cli', 'raibid.cli.errors', 'raibid.cli.main', 'raibid.contract', 'raibid.contract.keys']"


def test_help_takes_less_than_150_ms_of_the_projects_own_import_time() -> None:
    """Its own modules' own time, whatever the libraries below them cost; 6 ms when it was written."""
    command = [sys.executable, "-X", "importtime", "-m", "raibid.cli", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    own = {name: int(us) for us, name in re.findall(r"import time:\s*(\d+) \|\s*\d+ \|\s*(raibid\S*)", told)}
    assert "raibid.cli.main" in own
    assert sum(own.values()) < 150_000, own


NAMES = [name for _, name, _, _ in COMMANDS if name not in ("dead", "gitops", "mirror", "scaler")]
NESTED = ["dead list", "dead requeue", "scaler run", "scaler doctor", "scaler simulate"]
NESTED += [f"mirror {name}" for name in ("lint", "plan", "apply", "status", "sync", "verify", "hooks", "rotate-token")]
NESTED += [f"gitops {name}" for name in ("owner", "set", "image", "scale", "apply", "watch", "verify")]


@pytest.mark.parametrize("command", [*NAMES, *NESTED])
def test_every_command_has_help_with_an_example_and_json(command: str, raibid: Raibid) -> None:
    code, out, _ = raibid(*command.split(), "--help")
    assert code == 0
    assert "--json" in out
    assert f"raibid {command}" in out.partition("For example:")[2]


@pytest.mark.parametrize("name", [name for _, name, _, _ in COMMANDS])
def test_every_command_is_in_the_manual(name: str) -> None:
    assert f"`raibid {name}" in DOCS.read_text()


def test_every_exit_code_is_in_the_manual() -> None:
    text = DOCS.read_text()
    for name, code in vars(ExitCode).items():
        if not name.startswith("_"):
            assert re.search(rf"\| {code} \|", text), f"{name} = {code} is missing"


@pytest.mark.parametrize(
    "arguments", [["jobz"], ["show"], ["jobs", "--status", "unheard-of"], ["up", "--sample", "cobol"], ["jobs", "--zz"]]
)
def test_wrong_use_is_exit_code_2_and_a_sentence(arguments: list[str], raibid: Raibid) -> None:
    code, out, err = raibid(*arguments)
    assert code == ExitCode.USAGE
    assert out == ""
    assert err.startswith("raibid: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "names", "help_"),
    [
        (["show"], "JOB", "raibid show --help"),
        (["scaler", "doctor"], "FILE", "raibid scaler doctor --help"),
        (["dead", "requeue"], "ENTRY", "raibid dead requeue --help"),
        (["completion"], "SHELL", "raibid completion --help"),
        (["run", "acme/anvil"], "--clone-url", "raibid run --help"),
        (["jobs", "--zz"], "--zz", "raibid jobs --help"),
        (["jobz"], "jobz", "raibid --help"),
    ],
)
def test_wrong_use_names_what_was_meant_and_the_help_of_the_command_that_was_called(
    arguments: list[str], names: str, help_: str, raibid: Raibid
) -> None:
    _, _, err = raibid(*arguments)
    said, _, hint = err.partition("\n")
    assert re.search(rf"(?<![\w-]){names}\b", said), said
    assert hint == f"  next: {help_}\n"


@pytest.mark.parametrize("command", [["lint"], ["scaler", "doctor"]])
def test_a_file_that_is_not_there_is_the_same_sentence_everywhere(command: list[str], raibid: Raibid) -> None:
    code, _, err = raibid(*command, "nope.yaml")
    assert code == ExitCode.NOT_FOUND
    assert err.startswith("raibid: nope.yaml: No such file or directory\n  next: ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_commands(shell: str, raibid: Raibid) -> None:
    code, out, _ = raibid("completion", shell)
    assert code == 0
    assert "approve" in out
    assert "simulate" in out


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m raibid.cli completion bash | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_python_m_raibid_cli_is_raibid() -> None:
    done = subprocess.run([sys.executable, "-m", "raibid.cli", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("raibid 0.")
