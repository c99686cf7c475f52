"""An API server over real HTTP for what only reads: a `MemoryCluster` as Kubernetes serves it.

with ApiServer(MemoryCluster.of(...)) as server:
    environ["KUBECONFIG"] = str(server.kubeconfig(directory))
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from raibid.gitops.cluster import Kind
from raibid.gitops.objects import Ref
from raibid.kube.errors import KubeError, KubeNotFoundError

from tests.gitops.memory_cluster import MemoryCluster
from tests.http_server import HttpServer


class ApiServer(HttpServer):
    """Discovery, objects and lists with pages; 403 and 404 where the cluster in memory says so."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
        self.asked: list[str] = []
        """Paths, in the order they were asked for."""
        self._lists: dict[tuple[str, str, str], list[bytes]] = {}

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"server_": self})

    def kubeconfig(self, directory: Path) -> Path:
        """A kubeconfig for it."""
        file = directory / "kubeconfig"
        name = {"name": "memory"}
        user = {**name, "user": {"token": "nobody-checks-it"}}
        context = {**name, "context": {"cluster": "memory", "user": "memory"}}
        clusters = [{**name, "cluster": {"server": self.url}}]
        found = {"clusters": clusters, "users": [user], "contexts": [context], "current-context": "memory"}
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **found}))
        return file

    def forget(self) -> None:
        """Serve lists anew: something was put into the cluster since."""
        self._lists.clear()

    def answer(self, path: str, query: Mapping[str, list[str]]) -> bytes:
        """What Kubernetes says. Raises KubeError."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts in (["api"], ["apis"]):
            kinds = [kind for kind in self.cluster.kinds() if (not kind.group) == (parts == ["api"])]
            return json.dumps({"kind": "APIGroupDiscoveryList", "items": list(_groups(kinds))}).encode()
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        # `namespaces` is also a kind of its own, with a name after it.
        namespace, rest = (rest[1], rest[2:]) if rest[0] == "namespaces" and len(rest) > 2 else ("", rest)
        kind = self._kind(group, rest[0])
        if len(rest) > 1:
            return json.dumps(self.cluster.get(Ref(group, kind.kind, namespace, rest[1]))).encode()
        return self._page(kind, namespace, int(query.get("limit", ["500"])[0]), query.get("continue", ["0"])[0])

    def _kind(self, group: str, plural: str) -> Kind:
        found = [kind for kind in self.cluster.kinds() if (kind.group, kind.plural) == (group, plural)]
        if not found:
            raise KubeNotFoundError("the server could not find the requested resource")
        return found[0]

    def _page(self, kind: Kind, namespace: str, limit: int, after: str) -> bytes:
        key, begin = (kind.group, kind.kind, namespace), int(after)
        if key not in self._lists:  # encoded once: the time that is measured is the client's
            self._lists[key] = [json.dumps(item).encode() for item in self.cluster.objects(*key)]
        items = self._lists[key]
        more = str(begin + limit) if begin + limit < len(items) else ""
        page = b",".join(items[begin : begin + limit])
        return b'{"metadata":{"resourceVersion":"1","continue":"%s"},"items":[%s]}' % (more.encode(), page)


def _groups(kinds: Iterable[Kind]) -> Iterable[dict[str, Any]]:
    ordered = sorted(kinds, key=lambda kind: (kind.group, kind.version))
    for (group, version), members in groupby(ordered, key=lambda kind: (kind.group, kind.version)):
        resources = [
            {
                "resource": kind.plural,
                "responseKind": {"group": group, "version": version, "kind": kind.kind},
                "scope": "Namespaced" if kind.namespaced else "Cluster",
                "singularResource": kind.singular,
                "shortNames": list(kind.short),
                "verbs": ["get", "list", "watch", "patch"],
            }
            for kind in members
        ]
        yield {"metadata": {"name": group}, "versions": [{"version": version, "resources": resources}]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_: ApiServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server_.asked.append(parts.path)
        try:
            code, body = 200, self.server_.answer(parts.path, parse_qs(parts.query))
        except KubeError as error:
            code = 404 if isinstance(error, KubeNotFoundError) else 403
            status = {"kind": "Status", "status": "Failure", "message": str(error), "code": code}
            body = json.dumps(status).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """A test's output is its own."""
