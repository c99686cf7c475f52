"""The agent as the process that the scaler starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from raibid.contract import Env, ExitCode
from raibid.ledger import Ledger, NewJob
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobStatus

from tests.waiting import until
from tests.worker.conftest import Repository, log_of, pipeline, record


@pytest.fixture
def agent(ledger: Ledger, redis_server: RedisServer, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    env = {
        **os.environ,
        Env.REDIS_URL: redis_server.url,
        Env.STREAM: ledger.keys.stream,
        Env.WORKSPACE: str(tmp_path / "work"),
        Env.ALLOW_FILE_REPOS: "1",
    }
    process = subprocess.Popen([sys.executable, "-m", "raibid.worker"], env=env, stderr=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_sigterm_ends_an_agent_without_a_job(agent: subprocess.Popen[bytes], ledger: Ledger) -> None:
    until(lambda: psutil.Process(agent.pid).num_threads() and connected(agent))
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(20) == 0


def connected(agent: subprocess.Popen[bytes]) -> bool:
    return bool(psutil.Process(agent.pid).net_connections("tcp"))


def test_sigterm_in_a_build_hands_the_job_back_and_leaves_nothing(
    agent: subprocess.Popen[bytes], ledger: Ledger, repository: Repository, tmp_path: Path
) -> None:
    repository.push(pipeline("echo started; sleep 1000"))
    job_id = ledger.enqueue([NewJob(spec=repository.spec(), dedupe=uuid.uuid4().hex)])[0].id
    until(lambda: "started" in log_of(ledger, job_id))

    agent.send_signal(signal.SIGTERM)

    assert agent.wait(20) == ExitCode.STOPPED
    assert record(ledger, job_id).status is JobStatus.QUEUED
    assert list((tmp_path / "work").iterdir()) == []
    assert not [p for p in psutil.process_iter(["cwd"]) if str(tmp_path / "work") in str(p.info["cwd"])]


def test_an_agent_without_a_job_has_loaded_no_pydantic_and_no_http_client() -> None:
    code = "import sys, raibid.worker.agent; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"pydantic", "requests", "rich", "fastapi", "structlog", "boto3"} & set(loaded)
