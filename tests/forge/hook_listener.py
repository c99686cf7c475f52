"""Somebody a forge's webhooks tell: keeps each delivery as it came, over real HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar, Self


@dataclass
class HookListener:
    """Answers 204 to everything."""

    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Headers, in lower case, and raw body."""

    def __enter__(self) -> Self:
        handler = type("Bound", (_Hook,), {"listener": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/webhook"


class _Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    listener: ClassVar[HookListener]

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.listener.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()
