"""`raibid gitops controller` as it runs in its pod: a process, an API server, a forge, Flux's signed alert, SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from raibid.contract import Env, ExitCode
from raibid.gitops.rollback.receiver import HEADER, signature
from raibid.kube.errors import KubeConflictError

from tests.gitops.controlled import BAD, GOOD, Controlled
from tests.gitops.git_host import GitHost
from tests.gitops.memory_cluster import MemoryCluster
from tests.gitops.writing_server import WritingServer
from tests.waiting import until

KEY = b"0123456789abcdef"


class EventServer(WritingServer):
    """It also takes Events, and its lists are never old."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Events", (super().handler(),), {"do_POST": _post})

    def answer(self, path: str, query: Any) -> bytes:
        self.forget()
        return super().answer(path, query)


def _post(handler: Any) -> None:
    body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
    code = 201
    try:
        handler.writes_to.cluster.create(body)
    except KubeConflictError:
        code = 409
    answer = json.dumps(body).encode()
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(answer)))
    handler.end_headers()
    handler.wfile.write(answer)


class Running:
    """The process."""

    def __init__(self, process: subprocess.Popen[str], port_file: Path) -> None:
        self.process = process
        self._port_file = port_file

    @property
    def url(self) -> str:
        until(self._port_file.exists, "the controller listens")
        return f"http://127.0.0.1:{self._port_file.read_text().strip()}"

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)

    def alert(
        self, body: bytes = b'{"involvedObject": {"kind": "Kustomization"}, "reason": "HealthCheckFailed"}'
    ) -> int:
        return requests.post(
            f"{self.url}/flux", data=body, headers={HEADER: signature(body, KEY)}, timeout=10
        ).status_code


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Controlled]:
    with GitHost(tmp_path / "repositories") as host:
        yield Controlled.on(host, tmp_path)


@contextmanager
def running(world: Controlled, tmp_path: Path, cluster: MemoryCluster) -> Iterator[Running]:
    (tmp_path / "token").write_bytes(KEY)
    (tmp_path / "gitops.yaml").write_text("hosts: [127.0.0.1]\nauthor: ci-rollback\nemail: ci-rollback@example.org\n")
    port_file = tmp_path / "port"
    with EventServer(cluster) as server, (tmp_path / "log").open("w") as log:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "KUBECONFIG": str(server.kubeconfig(tmp_path)),
            Env.ROLLBACK_TOKEN_FILE: str(tmp_path / "token"),
            Env.GITOPS_FILE: str(tmp_path / "gitops.yaml"),
            Env.FORGE_CREDENTIALS_FILE: str(world.credentials),
        }
        command = [sys.executable, "-m", "raibid.cli", "gitops", "controller", "--json", "--every", "3600"]
        process = subprocess.Popen(
            [*command, "--port", "0", "--port-file", str(port_file)], env=environment, stdout=log, stderr=log, text=True
        )
        try:
            yield Running(process, port_file)
        finally:
            process.kill()
            process.wait()


def test_an_alert_has_a_bad_commit_taken_back_long_before_the_next_look(world: Controlled, tmp_path: Path) -> None:
    with running(world, tmp_path, world.cluster) as controller:
        until(lambda: controller.get("/readyz").ok, "it has seen the cluster")
        world.push(BAD)
        assert controller.alert() == 202
        until(lambda: world.text() == GOOD, "the commit is taken back")
        until(lambda: "success" in world.forge.states(world.head()), "the revert is told to be well")
        page = controller.get("/metrics").text
    assert 'raibid_rollback_total{result="reverted"} 1.0' in page
    assert "raibid_rollback_duration_seconds_count 1.0" in page
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "log").read_text().splitlines()]
    assert kinds[0] == "started"
    assert {"alert", "asked", "reverted", "healthy"} <= set(kinds)


def test_it_ends_at_sigterm(world: Controlled, tmp_path: Path) -> None:
    with running(world, tmp_path, world.cluster) as controller:
        until(lambda: controller.get("/readyz").ok, "it has seen the cluster")
        controller.process.send_signal(signal.SIGTERM)
        assert controller.process.wait(timeout=30) == ExitCode.OK


def test_an_idle_controller_fits_its_pod(world: Controlled, tmp_path: Path) -> None:
    with running(world, tmp_path, world.cluster) as controller:
        until(lambda: controller.get("/readyz").ok, "it has seen the cluster")
        resident = psutil.Process(controller.process.pid).memory_info().rss
    assert resident < 128 * 1024 * 1024, f"{resident / 1024 / 1024:.0f} MiB"


def test_no_secret_is_in_the_log_or_in_the_process_list(world: Controlled, tmp_path: Path) -> None:
    password = world.credentials.read_text().split(":")[2].partition("@")[0]
    with running(world, tmp_path, world.cluster) as controller:
        world.push(BAD)
        controller.alert()
        until(lambda: world.text() == GOOD, "the commit is taken back")
        arguments = " ".join(controller.process.args if isinstance(controller.process.args, list) else [])
    told = (tmp_path / "log").read_text() + arguments
    assert password not in told
    assert KEY.decode() not in told
