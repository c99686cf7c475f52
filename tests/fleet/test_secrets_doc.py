"""docs/secrets.md: its commands run, or say that they need the machine."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from components import sops
from components.__main__ import run
from components.fleet.push import push
from components.settings.rules import FIXED, LABELS
from tests.fleet.conftest import SECRET_PATH, Ask
from tests.fleet.repository import Repository

TEXT = (Path(__file__).parents[2] / "docs" / "secrets.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
HERE = [command for command in COMMANDS if "needs the machine" not in command]


@pytest.fixture
def checkout(repository: Repository, ask_secret: Ask, recipients: tuple[str, ...]) -> Path:
    push(ask_secret(files={".sops.yaml": f"creation_rules: [{{age: '{','.join(recipients)}'}}]\n"}))
    return repository.desk()


@pytest.mark.parametrize("command", [command for command in HERE if command.startswith("python -m components")])
def test_a_command_of_the_program_does_what_it_says(
    command: str, checkout: Path, tmp_path: Path, cluster_key: str, recipients: tuple[str, ...]
) -> None:
    for name in ("old.txt", "new.txt"):
        (tmp_path / name).write_text(cluster_key)
    words = {"fleet": str(checkout), "age1new": recipients[0], "age1recovery": recipients[1]}
    words |= {name: str(tmp_path / name) for name in ("old.txt", "new.txt")}
    arguments = [words.get(word, word) for word in shlex.split(command, comments=True)[3:]]
    assert run(arguments) == 0
    assert sops.recipients_of((checkout / SECRET_PATH).read_bytes()) == list(recipients)


@pytest.mark.skipif(shutil.which("age-keygen") is None, reason="age-keygen is not on PATH")
def test_what_age_keygen_writes_is_a_key_of_ours(tmp_path: Path) -> None:
    assert "age-keygen -o new.txt" in HERE
    subprocess.run(["age-keygen", "-o", "new.txt"], cwd=tmp_path, check=True, capture_output=True)
    public = subprocess.run(["age-keygen", "-y", "new.txt"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert sops.public_keys((tmp_path / "new.txt").read_text()) == [public.stdout.strip()]


def test_every_label_is_named_and_no_other() -> None:
    paragraph = next(part for part in TEXT.split("\n\n") if part.startswith("A password is"))
    assert set(re.findall(r"`([a-z0-9]+/[a-z-]+)`", paragraph)) == {*LABELS, *FIXED}


def test_every_other_command_is_one_that_the_tests_know() -> None:
    known = ("python -m components rotate", "age-keygen -o", "sops decrypt", "sops encrypt --in-place")
    assert [command for command in HERE if not command.startswith(known)] == []
    # tests/sops/test_sops_program.py runs `sops decrypt` and `sops encrypt` on our files.


@pytest.mark.parametrize(
    "words",
    [
        "edited since the last emission",
        "exists, and this stack did not emit it",
        "changed after it was encrypted",
        "the MAC does not fit",
        "a Secret in clear",
    ],
)
def test_what_the_page_quotes_is_what_the_program_says(words: str) -> None:
    assert words in TEXT
    sources = "".join(path.read_text() for path in (Path(__file__).parents[2] / "components").rglob("*.py"))
    assert words in sources
