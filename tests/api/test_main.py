"""The server as a process of its own: port, SIGTERM, refusal to start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from raibid.api.settings import Settings
from raibid.contract import Env
from raibid.ledger import Ledger
from raibid.local.redis_server import RedisServer

from tests.api.conftest import READ, SHA, end, enqueue
from tests.forge.fake_forge import FakeForge
from tests.waiting import until

PROGRAM = """
import sys
from pathlib import Path
from raibid.api.main import serve
from raibid.api.settings import Settings
serve(Settings.load(), port=0, port_file=Path(sys.argv[1]))
"""

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def port_file(tmp_path: Path) -> Path:
    return tmp_path / "port"


@pytest.fixture
def env(redis_server: RedisServer, ledger: Ledger, settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        Env.REDIS_URL: redis_server.url,
        Env.STREAM: ledger.keys.stream,
        Env.STORE: settings.store,
        Env.WEBHOOK_SECRETS_FILE: str(settings.webhook_secrets_file),
        Env.READ_TOKENS_FILE: str(settings.read_tokens_file),
        Env.WRITE_TOKENS_FILE: str(settings.write_tokens_file),
    }


@pytest.fixture
def start(env: dict[str, str], port_file: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, str(port_file)]
        started.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_sigterm_ends_the_process_with_a_stream_open(start: Start, port_file: Path, ledger: Ledger) -> None:
    job_id = enqueue(ledger)
    process = start()
    until(port_file.exists)
    with httpx.Client(base_url=f"http://127.0.0.1:{port_file.read_text().strip()}", timeout=20) as client:
        assert client.get("/readyz").status_code == 200
        headers = {"Authorization": f"Bearer {READ}"}
        with client.stream("GET", f"/jobs/{job_id}/logs", headers=headers) as response:
            assert response.status_code == 200
            process.send_signal(signal.SIGTERM)
            assert list(response.iter_bytes()) == []
    process.wait(timeout=20)
    assert process.returncode in (0, -signal.SIGTERM)  # uvicorn hands the signal on once it has ended in order


def test_it_does_not_start_without_a_webhook_secret(start: Start, env: dict[str, str]) -> None:
    del env[Env.WEBHOOK_SECRETS_FILE]
    process = start()
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert Env.WEBHOOK_SECRETS_FILE in errors


def test_an_api_that_is_killed_while_the_forge_is_down_loses_no_status(
    start: Start, env: dict[str, str], port_file: Path, ledger: Ledger, tmp_path: Path
) -> None:
    forge = FakeForge()
    forge.start()
    forge.stop()  # it had a port, and is down
    env[Env.GITEA_URL] = forge.url
    env[Env.FORGE_CREDENTIALS_FILE] = str(forge.credentials(tmp_path / "forge-credentials"))
    env[Env.STATUS_SECONDS] = "0.05"
    process = start()
    until(port_file.exists)
    enqueue(ledger, forge="gitea")
    end(ledger)
    process.kill()
    process.wait()
    forge.start()
    try:
        start()
        until(lambda: forge.shown(SHA) == "success")
    finally:
        forge.stop()
