"""An API server over real HTTP that also takes what `raibid gitops` writes: applies, replacements, annotations.

Owns: PATCH and PUT, with the answers of admission.
Leaves to others: reading (`api_server.py`), the objects (`memory_cluster.py`).
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from raibid.gitops.objects import ref_of
from raibid.kube.errors import KubeConflictError, KubeError, KubeInvalidError, KubeNotFoundError

from tests.gitops.api_server import ApiServer

_CODES: dict[type[KubeError], int] = {KubeConflictError: 409, KubeInvalidError: 422, KubeNotFoundError: 404}


class WritingServer(ApiServer):
    """Its cluster's `admit` is what admission says."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Writing", (super().handler(),), {"do_PATCH": _write, "do_PUT": _write, "writes_to": self})

    def written(self, path: str, query: dict[str, list[str]], kind: str, body: dict[str, Any]) -> Any:
        """What Kubernetes says. Raises KubeError."""
        self.forget()
        asked = {name: values[0] for name, values in query.items()}
        dry_run = asked.get("dryRun") == "All"
        if kind == "application/json":
            return self.cluster.replace(body, manager=asked["fieldManager"], dry_run=dry_run).manifest
        if "apply-patch" not in kind:
            live = json.loads(self.answer(path, {}))
            self.cluster.annotate(ref_of(live), **body["metadata"]["annotations"])
            return live
        force = asked.get("force") == "true"
        return self.cluster.apply(body, manager=asked["fieldManager"], dry_run=dry_run, force=force).manifest


def _write(handler: Any) -> None:
    server: WritingServer = handler.writes_to
    parts = urlsplit(handler.path)
    body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
    code, found = 200, {}
    try:
        found = server.written(parts.path, parse_qs(parts.query), handler.headers["Content-Type"], body)
    except KubeError as error:
        code = _CODES.get(type(error), 403)
        found = {"kind": "Status", "status": "Failure", "message": str(error), "code": code}
    answer = json.dumps(found).encode()
    handler.send_response(code)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(answer)))
    handler.end_headers()
    handler.wfile.write(answer)
