"""`raibid controller` as a process: it says what it lacks, and SIGTERM ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from raibid.contract import Env, ExitCode
from raibid.local.redis_server import RedisServer

from tests.controller.test_kube import kubeconfig

COMMAND = [sys.executable, "-m", "raibid.cli", "controller"]


def test_without_a_way_to_kubernetes_it_says_what_to_set(tmp_path: Path) -> None:
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "missing")}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "no way to Kubernetes" in done.stderr
    assert "KUBECONFIG" in done.stderr


def test_a_scaler_that_is_none_is_refused() -> None:
    done = subprocess.run([*COMMAND, "--scaler", "magic"], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "keda" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_works_on_without_an_api_server_until_it_is_told_to_stop(
    redis_server: RedisServer, tmp_path: Path, number: signal.Signals
) -> None:
    config = kubeconfig(tmp_path, "http://127.0.0.1:9")
    environment = {**os.environ, "KUBECONFIG": str(config), Env.REDIS_URL: redis_server.url, "NO_PROXY": "*"}
    with subprocess.Popen([*COMMAND, "--json"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        started, trouble = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(number)
        rest = process.stdout.read()
    assert (started["kind"], trouble["kind"]) == ("started", "trouble")
    assert "list of Pods" in trouble["message"]
    assert json.loads(rest.splitlines()[-1])["kind"] == "stopping"
    assert process.returncode == ExitCode.OK
