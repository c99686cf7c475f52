"""The API server's answers as answers of ours: over real HTTP, each with what a strange server or kubeconfig may do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest
from raibid.gitops.kube_cluster import KubeCluster
from raibid.gitops.objects import Ref
from raibid.gitops.watch.health import State, health
from raibid.kube.errors import KubeConfigError, KubeError, KubeInvalidError, KubeNotFoundError, KubeRefusedError

from tests.gitops.api_server import ApiServer
from tests.gitops.memory_cluster import MemoryCluster
from tests.http_server import Handler, HttpServer

WEB = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "ci"}}
REF = Ref("", "ConfigMap", "ci", "web")


class Refusing(HttpServer):
    """403 with these words, whatever it is asked."""

    words = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        words = self.words

        class Answer(Handler):
            def do_GET(self) -> None:
                body = json.dumps({"kind": "Status", "message": words, "code": 403}).encode()
                self.send_response(403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Answer


class Deleting(ApiServer):
    """A watch that tells of one deletion, as Kubernetes does: the object as it was, without a deletionTimestamp."""

    def answer(self, path: str, query: Any) -> bytes:
        if "watch" not in query:
            return super().answer(path, query)
        return json.dumps({"type": "DELETED", "object": WEB}).encode() + b"\n"


@pytest.fixture
def served() -> Iterator[tuple[ApiServer, KubeCluster]]:
    with ApiServer(MemoryCluster.of(WEB)) as server, KubeCluster(httpx2.Client(base_url=server.url)) as cluster:
        yield server, cluster


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ('configmaps "web" is forbidden: User "ci" cannot get resource "configmaps" in API group ""', KubeRefusedError),
        ('configmaps is forbidden: User "ci" cannot list resource "configmaps"', KubeRefusedError),
        ('forbidden: User "ci" cannot get path "/apis"', KubeRefusedError),
        ('pods "web" is forbidden: violates PodSecurity "restricted": it cannot run as root', KubeInvalidError),
        ('admission webhook "x" denied the request: forbidden: User "ci" cannot be trusted', KubeInvalidError),
        ('pods "web" is forbidden: exceeded quota: you cannot have more', KubeInvalidError),
        ("", KubeRefusedError),
    ],
)
def test_a_403_is_about_the_right_or_about_the_object(words: str, error: type[KubeError]) -> None:
    refusing = Refusing()
    refusing.words = words
    with refusing as server, KubeCluster(httpx2.Client(base_url=server.url)) as cluster:
        with pytest.raises(KubeError) as refused:
            cluster.kinds()
        assert type(refused.value) is error


def test_without_a_name_there_is_no_object_and_no_request(served: tuple[ApiServer, KubeCluster]) -> None:
    server, cluster = served
    cluster.kinds()
    before = len(server.asked)
    with pytest.raises(KubeNotFoundError, match="no name"):
        cluster.get(Ref("", "ConfigMap", "ci", ""))
    assert len(server.asked) == before


def test_what_is_deleted_comes_a_last_time_and_is_no_longer_alive() -> None:
    with Deleting(MemoryCluster.of(WEB)) as server, KubeCluster(httpx2.Client(base_url=server.url)) as cluster:
        first, last = cluster.watch("", "ConfigMap", "ci", seconds=1)
    assert health(first).state is State.CURRENT
    assert health(last).state is State.TERMINATING
    assert last["metadata"]["name"] == "web"


@pytest.mark.parametrize(
    "plugin",
    [
        ["/there/is/no/such/plugin"],
        [sys.executable, "-c", "print('s3cret')"],
        [sys.executable, "-c", 'print(\'{"token": "s3cret"}\')'],
        [sys.executable, "-c", 'print(\'{"status": null, "token": "s3cret"}\')'],
        [sys.executable, "-c", "import sys; sys.exit('s3cret')"],
    ],
    ids=["missing", "no JSON", "no status", "an empty status", "fails"],
)
def test_an_exec_plugin_without_a_token_is_a_mistake_of_the_kubeconfig_and_its_words_are_not_told(
    plugin: list[str], served: tuple[ApiServer, KubeCluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = served[0].kubeconfig(tmp_path)
    config = json.loads(file.read_text())
    command, *args = plugin
    version = "client.authentication.k8s.io/v1beta1"
    config["users"][0]["user"] = {"exec": {"apiVersion": version, "command": command, "args": args}}
    file.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(file))

    with KubeCluster.connect() as cluster, pytest.raises(KubeConfigError, match="exec plugin") as failed:
        cluster.get(REF)

    assert "s3cret" not in str(failed.value)
    assert failed.value.__suppress_context__
