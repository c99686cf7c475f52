"""Real git against real repositories: by path and over HTTP with credentials."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.model.job import JobSpec
from raibid.worker.checkout import checkout
from raibid.worker.config import AgentConfig
from raibid.worker.errors import InfrastructureError, InterruptedBuildError, JobFaultError
from raibid.worker.stop import Stop, StopReason

from tests.worker.conftest import Repository

_BACKEND = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip()) / "git-http-backend"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "job" / "checkout"
    target.mkdir(parents=True)
    return target


class Forge(ThreadingHTTPServer):
    """git http-backend behind basic authentication; `status` answers everything with an error instead."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.status = 0
        self.protocol = "2"
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Forge

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.status:
            self.send_error(self.server.status)
        elif self.headers.get("Authorization") != "Basic " + base64.b64encode(b"ci:t0k/en").decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="forge"')
            self.end_headers()
        else:
            self._backend()

    do_POST = do_GET

    def _backend(self) -> None:
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if self.server.protocol == "2" else "",
            "REMOTE_USER": "ci",
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        # It ends with 1 after telling the client that it has no such commit.
        answer = subprocess.run([str(_BACKEND)], input=body, env=env, capture_output=True, check=False).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def forge(repository: Repository) -> Iterator[Forge]:
    with Forge(repository.bare.parent) as forge:
        thread = threading.Thread(target=forge.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield forge
        forge.shutdown()
        thread.join()


@pytest.fixture
def trusted(forge: Forge, config: AgentConfig, tmp_path: Path) -> AgentConfig:
    """An agent that knows the forge's credentials."""
    file = tmp_path / "credentials"
    file.write_text(
        f"https://ci:other@127.0.0.1:{forge.server_port}\nhttp://ci:t0k%2Fen@127.0.0.1:{forge.server_port}\n"
    )
    return replace(config, git_credentials_file=file)


def test_the_asked_commit_is_checked_out_not_the_newest(
    repository: Repository, target: Path, config: AgentConfig, stop: Stop
) -> None:
    first = repository.push({"a.txt": "first"})
    repository.push({"a.txt": "second"})
    assert checkout(repository.spec(first), target, config, stop) == first
    assert (target / "a.txt").read_text() == "first"


def test_without_a_commit_it_is_what_the_ref_points_to(
    repository: Repository, target: Path, config: AgentConfig, stop: Stop
) -> None:
    repository.push({"a.txt": "first"})
    newest = repository.push({"a.txt": "second"})
    assert checkout(repository.spec(), target, config, stop) == newest


def test_only_one_commit_comes_over_the_wire(
    repository: Repository, target: Path, config: AgentConfig, stop: Stop
) -> None:
    repository.push({"a.txt": "first"})
    newest = repository.push({"a.txt": "second"})
    checkout(repository.spec(newest, clone_url=repository.bare.as_uri()), target, config, stop)
    count = subprocess.check_output(["git", "-C", str(target), "rev-list", "--count", "HEAD"], text=True)
    assert count.strip() == "1"


def test_a_commit_that_a_force_push_removed_is_the_jobs_fault(
    repository: Repository, target: Path, config: AgentConfig, stop: Stop
) -> None:
    repository.push({"a.txt": "first"})
    gone = repository.push({"a.txt": "second"})
    repository.push({"a.txt": "third"}, "--amend")
    for args in (("reflog", "expire", "--expire=now", "--all"), ("gc", "-q", "--prune=now")):
        subprocess.run(["git", "-C", str(repository.bare), *args], check=True)
    with pytest.raises(JobFaultError, match=r"commit gone: .* is not in refs/heads/main any more"):
        checkout(repository.spec(gone), target, config, stop)


def pull_request(repository: Repository, sha: str, **changes: object) -> JobSpec:
    return repository.spec(sha, ref="refs/pull/7/head", event="pull_request", **changes)


@pytest.mark.parametrize("protocol", ["2", "0"])
def test_a_pull_requests_commit_comes_from_the_base_repository(
    protocol: str, repository: Repository, forge: Forge, trusted: AgentConfig, target: Path, stop: Stop
) -> None:
    """Protocol 0 hands out no single commits, so the ref has to be asked for."""
    repository.push({"a.txt": "main"})
    asked = repository.pull_request(7, {"a.txt": "first"})
    repository.pull_request(7, {"b.txt": "second"}, on=asked)
    forge.protocol = protocol
    spec = pull_request(repository, asked, clone_url=f"{forge.url}/crate.git")
    assert checkout(spec, target, trusted, stop) == asked
    assert (target / "a.txt").read_text() == "first"
    assert not (target / "b.txt").exists(), "the commit that was asked for, not the newest"


def test_a_pull_request_that_was_forced_elsewhere_is_the_jobs_fault(
    repository: Repository, forge: Forge, trusted: AgentConfig, target: Path, stop: Stop
) -> None:
    repository.push({"a.txt": "main"})
    gone = "7" * 40
    repository.pull_request(7, {"a.txt": "other"})
    spec = pull_request(repository, gone, clone_url=f"{forge.url}/crate.git")
    with pytest.raises(JobFaultError, match=r"commit gone: .* is not in refs/pull/7/head any more"):
        checkout(spec, target, trusted, stop)


def test_a_ref_that_is_gone_is_the_jobs_fault(
    repository: Repository, target: Path, config: AgentConfig, stop: Stop
) -> None:
    repository.push({"a.txt": "x"})
    with pytest.raises(JobFaultError, match="ref gone"):
        checkout(repository.spec(ref="refs/heads/gone"), target, config, stop)


def test_credentials_come_by_helper_and_stay_out_of_the_checkout(
    repository: Repository, forge: Forge, trusted: AgentConfig, target: Path, stop: Stop
) -> None:
    sha = repository.push({"a.txt": "private"})
    assert checkout(repository.spec(sha, clone_url=f"{forge.url}/crate.git"), target, trusted, stop) == sha
    everything = b"".join(path.read_bytes() for path in target.parent.rglob("*") if path.is_file())
    assert b"t0k" not in everything


def test_credentials_of_several_secrets_may_lie_in_one_directory(tmp_path: Path) -> None:
    """As the kubelet mounts a projected volume: links into a directory whose name begins with two dots."""
    (tmp_path / "..data").mkdir()
    for name, host in (("gitea", "gitea.example:3000"), ("others", "forge.example")):
        (tmp_path / "..data" / name).write_text(f"https://agent:word-{name}@{host}\n")
        (tmp_path / name).symlink_to(f"..data/{name}")
    done = subprocess.run(
        [sys.executable, "-m", "raibid.worker.git_credential", "get"],
        input="protocol=https\nhost=forge.example\n\n",
        env={**os.environ, Env.GIT_CREDENTIALS_FILE: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "username=agent\npassword=word-others\n"


def test_missing_credentials_are_the_operators_fault(
    repository: Repository, forge: Forge, config: AgentConfig, target: Path, stop: Stop
) -> None:
    with pytest.raises(InfrastructureError, match="credentials refused"):
        checkout(repository.spec(clone_url=f"{forge.url}/crate.git"), target, config, stop)


def test_credentials_for_another_host_are_not_offered(
    repository: Repository, forge: Forge, config: AgentConfig, target: Path, stop: Stop, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_text("http://ci:t0k%2Fen@forge.test\n")
    stranger = replace(config, git_credentials_file=tmp_path / "elsewhere")
    with pytest.raises(InfrastructureError, match="credentials refused"):
        checkout(repository.spec(clone_url=f"{forge.url}/crate.git"), target, stranger, stop)


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (404, JobFaultError, "repository gone"),
        (500, InfrastructureError, "forge error"),
        (503, InfrastructureError, "forge"),
    ],
)
def test_a_forges_answer_tells_whose_fault_it_is(
    status: int, error: type[Exception], reason: str,
    repository: Repository, forge: Forge, config: AgentConfig, target: Path, stop: Stop,
) -> None:  # fmt: skip
    forge.status = status
    with pytest.raises(error, match=reason):
        checkout(repository.spec(clone_url=f"{forge.url}/crate.git"), target, config, stop)


def test_a_refused_connection_is_infrastructure(
    repository: Repository, config: AgentConfig, target: Path, stop: Stop
) -> None:
    with pytest.raises(InfrastructureError, match="network"):
        checkout(repository.spec(clone_url="http://127.0.0.1:9/x.git"), target, config, stop)


def test_a_stopped_agent_stops_git_too(repository: Repository, config: AgentConfig, target: Path, stop: Stop) -> None:
    repository.push({"a.txt": "x"})
    stop.request(StopReason.TERMINATED)
    with pytest.raises(InterruptedBuildError):
        checkout(repository.spec(), target, config, stop)


def test_hooks_and_settings_of_the_user_do_not_run(
    repository: Repository, config: AgentConfig, target: Path, stop: Stop, tmp_path: Path
) -> None:
    home = tmp_path / "user"
    (home / "hooks").mkdir(parents=True)
    hook = home / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\n hooksPath = {home}/hooks\n")
    repository.push({"a.txt": "x"})
    checkout(repository.spec(), target, replace(config, environment={**os.environ, "HOME": str(home)}), stop)
    assert not (tmp_path / "hook-ran").exists()
