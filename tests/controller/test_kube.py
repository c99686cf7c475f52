"""The seam to Kubernetes over real HTTP: what is asked, what is understood, every refusal as an error of our own."""

from __future__ import annotations

import asyncio
import json
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from raibid.controller.job_creator import job_manifest, template_of
from raibid.controller.kube import KubeCluster
from raibid.kube.errors import (
    KubeConfigError,
    KubeConflictError,
    KubeError,
    KubeInvalidError,
    KubeNotFoundError,
    KubeRefusedError,
    KubeUnavailableError,
)

from tests.controller.fake_cluster import cron_job


@dataclass
class ApiServer:
    """Answers every request alike, and remembers them."""

    status: int = 200
    body: str = "{}"
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """One on loopback, which KUBECONFIG names."""
    told = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            told.asked.append((self.command, self.path, json.loads(self.rfile.read(length) or "null")))
            body = told.body.encode()
            self.send_response(told.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's name)
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        told.url = f"http://127.0.0.1:{listening.server_address[1]}"
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, told.url)))
        monkeypatch.setenv("NO_PROXY", "*")
        yield told
        listening.shutdown()
        thread.join()


def kubeconfig(directory: Path, url: str) -> Path:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = directory / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    return file


def ask(question: Callable[[KubeCluster], Awaitable[Any]]) -> Any:
    async def story() -> Any:
        cluster = KubeCluster.connect("ci")
        try:
            return await question(cluster)
        finally:
            await cluster.close()

    return asyncio.run(story())


def refusal(code: int) -> str:
    return json.dumps({"kind": "Status", "status": "Failure", "message": "because", "code": code})


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (401, KubeRefusedError),
        (403, KubeRefusedError),
        (404, KubeNotFoundError),
        (409, KubeConflictError),
        (410, KubeUnavailableError),
        (422, KubeInvalidError),
        (429, KubeUnavailableError),
        (500, KubeUnavailableError),
        (503, KubeUnavailableError),
    ],
)
def test_every_refusal_is_one_of_our_errors_with_the_servers_words(
    server: ApiServer, code: int, error: type[KubeError]
) -> None:
    server.status, server.body = code, refusal(code)
    with pytest.raises(error, match=rf"because \({code}\)") as caught:
        ask(lambda cluster: cluster.pods())
    assert type(caught.value) is error


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "http://127.0.0.1:9")))
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(KubeUnavailableError, match="list of Pods"):
        ask(lambda cluster: cluster.pods())


@pytest.mark.parametrize("body", ["<html>", '{"items": 7}', '{"items": [{"spec": []}]}'])
def test_an_answer_that_is_no_list_is_an_error_of_ours(server: ApiServer, body: str) -> None:
    server.body = body
    with pytest.raises(KubeError, match="not what Kubernetes answers"):
        ask(lambda cluster: cluster.pods())


def test_no_kubeconfig_is_said_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(KubeConfigError, match="missing"):
        KubeCluster.connect("ci")


@pytest.mark.parametrize(
    "content",
    [
        "users: [{name: u, user: {token: SENTINEL}}\nclusters: {",
        "SENTINEL",
        "[SENTINEL]",
        "clusters: SENTINEL\ncontexts: []",
        "clusters: []\nusers: [{name: u, user: {token: SENTINEL}}]",
        "clusters: []\ncontexts: []\nusers: [{name: u, user: {token: [SENTINEL]}}]",
        "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://a:SENTINEL@h:port'}}]",
    ],
)
def test_a_kubeconfig_that_cannot_be_read_is_refused_and_nothing_of_it_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(KubeConfigError) as caught:
        KubeCluster.connect("ci")
    assert "SENTINEL" not in "".join(traceback.format_exception(caught.value))


def test_only_the_pools_pods_are_asked_for(server: ApiServer) -> None:
    server.body = '{"metadata": {"resourceVersion": "7"}, "items": []}'
    assert ask(lambda cluster: cluster.pods()).version == "7"
    ((_, path, _),) = server.asked
    assert path == "/api/v1/namespaces/ci/pods?labelSelector=app.kubernetes.io%2Fname%3Dci-agent"


def test_jobs_are_the_labelled_ones_and_those_of_a_name_that_would_be_taken(server: ApiServer) -> None:
    names = {
        "ci-agent-4": {},
        "ci-agent-xk2pq": {"scaledjob.keda.sh/name": "ci-agent"},
        "mirror-4": {},
        "ci-agent-x": {},
    }
    items = [{"metadata": {"name": name, "labels": labels}} for name, labels in names.items()]
    server.body = json.dumps({"metadata": {"resourceVersion": "7"}, "items": items})
    found = ask(lambda cluster: cluster.jobs()).items
    assert [job.metadata.name for job in found] == ["ci-agent-4", "ci-agent-xk2pq"]


def test_a_job_is_created_with_fields_that_this_client_does_not_know(server: ApiServer) -> None:
    source = cron_job()
    server.body = json.dumps(source)
    template = template_of(ask(lambda cluster: cluster.template("ci-agent")))
    ask(lambda cluster: cluster.create_job(job_manifest(template, 1)))
    method, path, body = server.asked[-1]
    assert (method, path) == ("POST", "/apis/batch/v1/namespaces/ci/jobs")
    assert body["spec"] == source["spec"]["jobTemplate"]["spec"]


def test_a_deleted_job_takes_its_pod_with_it_and_one_that_is_gone_is_no_error(server: ApiServer) -> None:
    ask(lambda cluster: cluster.delete_job("ci-agent-1"))
    assert server.asked[-1][:2] == (
        "DELETE", "/apis/batch/v1/namespaces/ci/jobs/ci-agent-1?propagationPolicy=Background",
    )  # fmt: skip
    server.status, server.body = 404, refusal(404)
    ask(lambda cluster: cluster.delete_job("ci-agent-1"))


def test_a_pod_that_is_not_there_does_not_exist(server: ApiServer) -> None:
    server.body = '{"metadata": {"name": "ci-agent-1-x"}}'
    assert ask(lambda cluster: cluster.pod_exists("ci-agent-1-x"))
    server.status, server.body = 404, refusal(404)
    assert not ask(lambda cluster: cluster.pod_exists("ci-agent-1-x"))


def test_a_watch_tells_changes_and_ends_when_the_server_has_forgotten(server: ApiServer) -> None:
    pod = {"metadata": {"name": "ci-agent-1-x", "resourceVersion": "8"}}
    lines = [{"type": "ADDED", "object": pod}, {"type": "DELETED", "object": pod}]
    server.body = "\n".join(map(json.dumps, [*lines, {"type": "ERROR", "object": json.loads(refusal(410))}]))
    seen: list[bool] = []

    async def follow(cluster: KubeCluster) -> None:
        async for change in cluster.pod_changes("7"):
            seen.append(change.deleted)  # noqa: PERF401  (what came before the error counts)

    with pytest.raises(KubeUnavailableError, match="410"):
        ask(follow)
    assert seen == [False, True]


def test_warnings_are_asked_for_by_what_they_are_about(server: ApiServer) -> None:
    server.body = '{"metadata": {}, "items": [{"metadata": {}, "involvedObject": {}, "reason": "BackOff"}]}'
    (event,) = ask(lambda cluster: cluster.warnings(uid="u-1"))
    assert event.reason == "BackOff"
    assert "involvedObject.uid%3Du-1" in server.asked[-1][1]
    assert "type%3DWarning" in server.asked[-1][1]
