"""notification-controller's part while it is not there: errors of Flux as signed alerts.

Owns: an Alert of severity error with a generic-hmac Provider: what the controllers tell, signed, to one address.
Leaves to others: the events (kustomize-controller's own), who takes them (`raibid gitops controller`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

import requests


class Alerts:
    """Takes events at `url`; forwards errors to `target` while there is one."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.target = ""
        self.sent: list[Mapping[str, Any]] = []
        """Alerts that the target took."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _listening(self))
        self._thread = threading.Thread(target=self._server.serve_forever, name="alerts")
        self.url: Final = f"http://127.0.0.1:{self._server.server_port}/"

    def send(self, event: Mapping[str, Any]) -> int:
        """One alert, signed; the status of the answer, 0 if there is none."""
        body = json.dumps(event).encode()
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Signature": f"sha256={signature}"}
        try:
            answer = requests.post(self.target, data=body, headers=headers, timeout=10)
        except requests.ConnectionError:
            return 0
        if answer.ok:
            self.sent.append(event)
        return answer.status_code

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _listening(alerts: Alerts) -> type[BaseHTTPRequestHandler]:
    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if event["severity"] == "error" and alerts.target:
                alerts.send(event)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Quiet: the controllers' logs have their events."""

    return Listener
