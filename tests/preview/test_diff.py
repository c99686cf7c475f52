"""`components diff` and `components summarize`, run for real in a repository of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class Repository:
    """This project as a Git repository with one commit."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ignored = shutil.ignore_patterns("__pycache__", "samples")
        for folder in ("components", "policies", "agent"):
            shutil.copytree(ROOT / folder, directory / folder, ignore=ignored)
        for file in (*ROOT.glob("Pulumi*.yaml"), ROOT / "pyproject.toml", ROOT / "__main__.py", ROOT / "README.md"):
            shutil.copy(file, directory / file.name)
        self.git("init", "-q", "-b", "main")
        self.commit("first")

    def git(self, *arguments: str) -> None:
        names = ["-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *names, *arguments], cwd=self.directory, check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "-q", "-m", message)

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.directory / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def resize(self, what: str, to: str) -> None:
        """Another size of the node of stack local."""
        file = self.directory / "Pulumi.local.yaml"
        text, count = re.subn(rf"^(      {what}: )\S+", rf"\g<1>{to}", file.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1
        file.write_text(text)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.directory), str(self.directory / "agent")])
        return subprocess.run(
            [sys.executable, "-m", "components", *arguments],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def diff(self, stack: str = "local", base: str = "HEAD") -> dict[str, Any]:
        done = self.run("diff", "--base", base, "--stack", stack, "--json")
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    directory = tmp_path / "raibid-ci"
    directory.mkdir()
    return Repository(directory)


def test_an_edit_of_a_system_shows_the_file_and_each_side_is_rendered_by_its_own_code(repository: Repository) -> None:
    repository.edit("components/redis.py", "save 300 10", "save 600 10")
    changes = {change["path"]: change for change in repository.diff()["changes"]}
    change = changes["infrastructure/data/redis/configmap.yaml"]
    assert "-    save 300 10" in change["diff"].splitlines()
    assert "+    save 600 10" in change["diff"].splitlines()


def test_an_edit_of_the_contract_counts_too(repository: Repository) -> None:
    repository.edit("agent/raibid/contract/keys.py", 'STREAM: Final = "ci-jobs"', 'STREAM: Final = "other-jobs"')
    assert repository.diff()["changes"]


def test_a_larger_machine_shows_in_the_budget(repository: Repository) -> None:
    repository.resize("cpu", "64")
    figures = {f["name"]: (f["before"], f["after"]) for f in repository.diff()["figures"]}
    assert figures["nodes.local.capacity.cpu"][1] == "64"
    assert "agents.maximum" in figures


def test_against_a_base_without_the_stack_everything_is_new(repository: Repository) -> None:
    repository.git("mv", "Pulumi.dev.yaml", "Pulumi.other.yaml")
    answer = repository.diff("other")
    assert {change["kind"] for change in answer["changes"]} == {"added"}
    assert "everything is new" in answer["notes"][0]


def test_without_a_change_nothing_differs_and_the_work_tree_and_its_index_stay_as_they_are(
    repository: Repository,
) -> None:
    repository.edit("README.md", "raibid-ci", "another name")
    status = ["git", "status", "--porcelain"]
    before = subprocess.run(status, cwd=repository.directory, capture_output=True, check=True).stdout
    assert repository.diff()["changes"] == []
    assert subprocess.run(status, cwd=repository.directory, capture_output=True, check=True).stdout == before


@pytest.mark.parametrize("base", ["no-such-branch", "--output=/dev/null", ""])
def test_a_base_that_git_does_not_know_is_an_error(repository: Repository, base: str) -> None:
    done = repository.run("diff", f"--base={base}", "--stack", "local")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no such revision" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_summary_of_a_head_that_breaks_says_so_and_fails(repository: Repository) -> None:
    repository.resize("memory", "1Gi")
    done = repository.run("summarize", "--base", "HEAD", "--stack", "local")
    assert done.returncode == 1
    assert done.stdout.startswith("<!-- raibid:preview:local -->")
    assert "memory" in done.stdout
    assert "not checked" in done.stdout
    assert "no violation" not in done.stdout


def test_policies_that_cannot_be_asked_hide_no_change_of_the_files(repository: Repository) -> None:
    repository.edit("components/redis.py", "save 300 10", "save 600 10")
    repository.edit("components/commands/lint.py", "def lint(", "def lint_is_gone(")
    done = repository.run("summarize", "--base", "HEAD", "--stack", "local")
    assert done.returncode == 1
    assert "#### Policies: not checked" in done.stdout
    assert "save 600 10" in done.stdout


@pytest.mark.parametrize("text", ["", "panic: nothing that is JSON", "{"])
def test_a_preview_that_wrote_no_json_is_told_in_the_comment(repository: Repository, text: str) -> None:
    (repository.directory / "preview.json").write_text(text)
    done = repository.run("summarize", "--base", "HEAD", "--stack", "local", "--preview", "preview.json")
    assert done.returncode == 1
    assert done.stdout.startswith("<!-- raibid:preview:local -->")
    assert "The preview failed" in done.stdout
    assert "#### Policies" in done.stdout


def test_the_summary_counts_what_the_policies_say(repository: Repository) -> None:
    done = repository.run("summarize", "--base", "HEAD", "--stack", "local", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == (1 if answer["violations"] else 0)
    assert "#### Policies" in answer["markdown"]


def test_a_comment_without_a_token_is_refused_before_anything_is_posted(repository: Repository) -> None:
    done = repository.run(
        "summarize", "--base", "HEAD", "--stack", "local", "--pull-request", "1", "--repository", "a/b"
    )
    assert done.returncode == 2
    assert "no token" in done.stderr
