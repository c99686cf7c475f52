"""The workflow of this repository and its pipeline: what a fork's code gets, and that every command in them exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from raibid.contract import Env
from raibid.forge.enrolment import Enrolment
from raibid.forge.intake import Build, decide
from raibid.model.conditions import selected
from raibid.model.job import JobSpec
from raibid.model.lint import load
from raibid.model.push_event import PushEvent
from raibid.worker.checkout import checkout
from raibid.worker.config import AgentConfig
from raibid.worker.environment import spec_variables
from raibid.worker.stop import Stop

from components.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / ".gitea" / "workflows" / "preview.yaml").read_text()
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / ".raibid.yaml").read_text())
SCRIPTS = [step["run"] for job in JOBS.values() for step in job["steps"]] + [step["run"] for step in PIPELINE["steps"]]


def job_text(name: str) -> str:
    return yaml.safe_dump(JOBS[name])


def test_what_runs_for_forks_sees_no_secret_and_no_engine() -> None:
    assert "if" not in JOBS["plan"]
    assert "secrets." not in job_text("plan")
    assert "pulumi" not in job_text("plan").replace("pull_request", "")
    assert "components plan" in job_text("plan")


def test_what_sees_secrets_runs_for_branches_of_this_repository_only() -> None:
    for name in JOBS:
        if "secrets." in job_text(name):
            assert JOBS[name]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def test_it_is_never_started_with_the_bases_rights_on_the_heads_code() -> None:
    assert "pull_request_target" not in str(WORKFLOW)


def test_each_secret_is_given_to_one_step_and_reaches_no_command_line() -> None:
    holders = [step for job in JOBS.values() for step in job["steps"] if "secrets." in yaml.safe_dump(step)]
    assert all("secrets." not in step["run"] for step in holders)
    assert not any("secrets." in yaml.safe_dump(job.get("env", {})) for job in JOBS.values())
    assert "secrets." not in yaml.safe_dump(WORKFLOW.get("env", {}))


def test_what_forks_run_and_what_holds_secrets_share_no_runner() -> None:
    holders = {job["runs-on"] for name, job in JOBS.items() if "secrets." in job_text(name)}
    anybody = {job["runs-on"] for job in JOBS.values() if "if" not in job}
    assert holders == {"raibid-stack"}
    assert anybody == {"raibid-forks"}
    page = (ROOT / "docs" / "preview.md").read_text()
    assert all(f"`{label}`" in page for label in holders | anybody), "each is told to who registers the runners"


def test_the_jobs_own_token_may_read_and_no_more() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [name for name, job in JOBS.items() if "permissions" in job]


def test_both_jobs_check_out_in_the_same_way() -> None:
    first, second = (job["steps"][0] for job in JOBS.values())
    assert first == second


def test_nothing_that_a_pull_request_says_is_pasted_into_a_script() -> None:
    assert not [script for script in SCRIPTS if "${{" in script]


def test_no_action_is_used_and_nothing_is_latest() -> None:
    assert not [step for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert "latest" not in TEXT


def test_every_command_in_them_exists() -> None:
    called = set(re.findall(r"-m components (\S+)", "\n".join(SCRIPTS)))
    assert called == {"plan", "summarize"}
    assert called <= {name for _, name, _, _ in COMMANDS}
    assert set(re.findall(r"\bmake (\w+)", "\n".join(SCRIPTS))) == {"env"}


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not on PATH")
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_clean(script: str) -> None:
    done = subprocess.run(
        ["shellcheck", "--shell=bash", "-"], input=script, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_pipeline_is_valid_and_declares_no_secret() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "raibid.cli", "lint", str(ROOT / ".raibid.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "secrets" not in PIPELINE


def run_git(directory: Path, *arguments: str) -> str:
    names = ["-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *names, *arguments], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def forge(tmp_path: Path) -> Path:
    """A repository with `main` and a branch `edit` that is one commit ahead of it."""
    directory = tmp_path / "forge"
    directory.mkdir()
    run_git(directory, "init", "-q", "-b", "main")
    run_git(directory, "commit", "-q", "--allow-empty", "-m", "first")
    run_git(directory, "checkout", "-q", "-b", "edit")
    run_git(directory, "commit", "-q", "--allow-empty", "-m", "second")
    return directory


def pushed(forge: Path, branch: str) -> JobSpec:
    """The job that the API makes of a push."""
    event = PushEvent(
        forge="gitea",
        repo="raibid/raibid-ci",
        clone_url=str(forge),
        ref=f"refs/heads/{branch}",
        before="0" * 40,
        after=run_git(forge, "rev-parse", branch),
    )
    built = decide(event, Enrolment.everything())
    assert isinstance(built, Build)
    return built.spec


@pytest.mark.parametrize(("branch", "steps"), [("edit", ["preview", "test"]), ("main", ["test"])])
def test_a_push_to_a_branch_is_previewed(forge: Path, branch: str, steps: list[str]) -> None:
    spec = pushed(forge, branch)
    pipeline = load((ROOT / ".raibid.yaml").read_bytes())
    judged = selected(pipeline, branch=spec.branch, event=spec.event, changed=spec.changed)
    assert [step.name for step, reason in judged if not reason] == steps


@pytest.mark.parametrize("reachable", [True, False])
def test_the_preview_has_a_base_in_an_agents_checkout_or_says_why_not(
    forge: Path, tmp_path: Path, reachable: bool
) -> None:
    spec = pushed(forge, "edit")
    here = tmp_path / "job" / "checkout"
    here.mkdir(parents=True)
    config = AgentConfig.from_env({Env.ALLOW_FILE_REPOS: "1", "PATH": os.environ["PATH"]})
    sha = checkout(spec, here, config, Stop())
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in (programs / "make", here / ".venv" / "bin" / "python"):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text('#!/bin/sh\necho "${0##*/} $*"\n')
        program.chmod(0o755)
    [script] = [step["run"] for step in PIPELINE["steps"] if step["name"] == "preview"]
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    known = {**spec_variables(spec, sha), "PATH": path, "HOME": str(tmp_path)}
    if not reachable:
        known["RAIBID_CLONE_URL"] = str(tmp_path / "private")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=here, env=known, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "python -m components plan --stack dgx-spark" in done.stdout
    if reachable:
        assert "python -m components summarize --base FETCH_HEAD" in done.stdout
        assert run_git(here, "rev-parse", "FETCH_HEAD") == run_git(forge, "rev-parse", "main")
    else:
        assert "without credentials" in done.stdout


def test_what_the_pools_image_lacks_for_the_whole_pipeline_is_named() -> None:
    image = (ROOT / "agent" / "Dockerfile").read_text().partition(" AS agent\n")[2]
    wanted = re.findall(r"^(?:PATH=\S+ )?need \S+ (\S+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    of_its_base = {"cargo", "rust-clippy", "gcc"}
    lacking = {package for package in wanted if package not in image} - of_its_base
    assert "redis-server" in lacking
    assert "python3-venv" in image, "`make env` of the first step"
    page = (ROOT / "docs" / "preview.md").read_text()
    assert not {package for package in lacking if f"`{package}`" not in page}
