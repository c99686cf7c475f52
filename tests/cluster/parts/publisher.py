"""Stands in for Flux's source-controller, which no package registry has as a module.

Owns: what kustomize-controller needs of it: a commit as tar.gz over HTTP, the GitRepository's status that names it.
Leaves to others: following the branch by itself (a test says when; `gitops.source` follows), credentials,
`.sourceignore`, verification.
"""

from __future__ import annotations

import datetime
import hashlib
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from components.flux_objects import NAMESPACE, SOURCE
from tests.cluster.tree.api import Api

SOURCE_OBJECT: Final = {
    "apiVersion": "source.toolkit.fluxcd.io/v1",
    "kind": "GitRepository",
    "metadata": {"name": SOURCE, "namespace": NAMESPACE},
}


class Publisher:
    """Serves commits of one repository, and tells the cluster which one is the newest."""

    def __init__(self, repository: Path, api: Api, *, branch: str = "main") -> None:
        self._repository = repository
        self._api = api
        self._branch = branch
        self._archives: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _serving(self._archives))
        self._thread = threading.Thread(target=self._server.serve_forever, name="publisher")

    def publish(self, *, handled: str = "") -> str:
        """What the branch says now becomes the cluster's source; the answer is the commit.

        `handled`: the request (`reconcile.fluxcd.io/requestedAt`) that this answers.
        """
        revision = self._git("rev-parse", f"refs/heads/{self._branch}").decode().strip()
        data = self._git("archive", "--format=tar.gz", revision)
        path = f"gitrepository/{NAMESPACE}/{SOURCE}/{revision}.tar.gz"
        self._keep(f"/{path}", data)
        generation = self._api.get(SOURCE_OBJECT).body["metadata"]["generation"]
        self._report({**self._status(path, data, revision, generation), **_handled(handled)})
        return revision

    def _keep(self, path: str, data: bytes) -> None:
        self._archives[path] = data

    def _report(self, status: Mapping[str, Any]) -> None:
        answer = self._api.merge(SOURCE_OBJECT, {"status": status}, status=True)
        assert answer.accepted, answer.said

    def _status(self, path: str, data: bytes, revision: str, generation: int) -> Mapping[str, Any]:
        now = utc()
        ready = condition(
            "Ready", "True", "Succeeded", f"stored artifact for revision '{self._branch}@sha1:{revision}'"
        )
        artifact = {
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "lastUpdateTime": now,
            "path": path,
            "revision": f"{self._branch}@sha1:{revision}",
            "size": len(data),
            "url": f"http://127.0.0.1:{self._server.server_port}/{path}",
        }
        return {
            "artifact": artifact,
            "conditions": [{**ready, "observedGeneration": generation}],
            "observedGeneration": generation,
        }

    def _git(self, *arguments: str) -> bytes:
        return subprocess.run(["git", *arguments], cwd=self._repository, check=True, capture_output=True).stdout

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    """A condition that began now."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": utc()}


def utc() -> str:
    """Now, as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _handled(request: str) -> dict[str, str]:
    return {"lastHandledReconcileAt": request} if request else {}


def _serving(archives: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Archives(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = archives.get(self.path)
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *arguments: object) -> None:
            """Nothing: the controller's own log says what it fetched."""

    return Archives
