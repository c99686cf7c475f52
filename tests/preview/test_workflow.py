"""The workflow of this repository and its pipeline: what a fork's code gets, and that every command in them exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

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
