"""An API server over real HTTP for what watches: as `ApiServer`, and watches, events and annotations.

Owns: streams of watch events, merge patches of metadata.
Leaves to others: objects and lists (`api_server.py`).
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from raibid.gitops.objects import Ref

from tests.gitops.api_server import ApiServer, _Handler


class LiveServer(ApiServer):
    """What a client that follows something needs."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Live,), {"server_": self})

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:  # type: ignore[override]
        self.forget()  # objects change while somebody watches
        if not path.endswith("/events"):
            return super().answer(path, query)
        wanted = dict(item.split("=") for item in query["fieldSelector"][0].split(","))
        found = [
            {"type": one.type, "reason": one.reason, "message": one.message, "lastTimestamp": one.at}
            for ref, happenings in self.cluster._events.items()
            for one in happenings
            if (ref.kind, ref.name) == (wanted["involvedObject.kind"], wanted["involvedObject.name"])
        ]
        return json.dumps({"items": found}).encode()

    def ref(self, path: str) -> Ref:
        """Which object a path is, or of which kind and namespace a list (then without a name)."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        namespace, rest = (rest[1], rest[2:]) if rest[0] == "namespaces" and len(rest) > 2 else ("", rest)
        return Ref(group, self._kind(group, rest[0]).kind, namespace, rest[1] if len(rest) > 1 else "")


class _Live(_Handler):
    server_: LiveServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if "watch" not in query:
            super().do_GET()
            return
        ref = self.server_.ref(parts.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for item in self.server_.cluster.watch(ref.group, ref.kind, ref.namespace, seconds=5):
                self.wfile.write(json.dumps({"type": "MODIFIED", "object": item}).encode() + b"\n")
                self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            return  # who watched is gone

    def do_PATCH(self) -> None:
        ref = self.server_.ref(urlsplit(self.path).path)
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server_.cluster.annotate(ref, **patch["metadata"]["annotations"])
        body = json.dumps(self.server_.cluster.get(ref)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
