"""A pull request of a stranger, built by a real agent: with a real ledger, a real repository and the kernel's fence."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.ledger import Ledger
from raibid.model.job import Job, JobSpec, JobStatus
from raibid.worker import landlock
from raibid.worker.config import AgentConfig
from raibid.worker.fence import OLDEST_ABI

from tests.worker.conftest import Built, Repository, log_of, pipeline

pytestmark = pytest.mark.skipif(landlock.version() < OLDEST_ABI, reason="this kernel has no Landlock, or an old one")

Tried = Callable[..., tuple[Job, str]]


@pytest.fixture
def config(config: AgentConfig) -> AgentConfig:
    return replace(config, doors=())


@pytest.fixture
def tried(ledger: Ledger, repository: Repository, built: Built, config: AgentConfig) -> Tried:
    """Let the base's pipeline run one command on a stranger's commit; the record and the log."""

    def run(script: str, agent: AgentConfig = config, **changes: object) -> tuple[Job, str]:
        repository.push(pipeline(script))
        job = built(stranger(repository, {"README.md": "mine"}, **changes), agent)
        return job, log_of(ledger, job.id)

    return run


def stranger(repository: Repository, files: dict[str, str], **changes: object) -> JobSpec:
    sha = repository.pull_request(7, files)
    values = {"ref": "refs/pull/7/head", "event": "pull_request", "fork": "eve/crate", "base": "main", **changes}
    return repository.spec(sha, **values)


def test_a_fork_that_edits_the_pipeline_file_changes_nothing(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    tip = repository.push(pipeline("echo the base says so; cat README.md"))

    job = built(stranger(repository, {**pipeline("echo evil"), "README.md": "the fork's words\n"}))

    assert job.status is JobStatus.SUCCESS, job.reason
    log = log_of(ledger, job.id)
    assert "the base says so\nthe fork's words\n" in log
    assert "evil" not in log
    assert f"pipeline: that of main at {tip[:12]}\n" in log
