"""Somebody a forge's webhooks tell: keeps each delivery as it came, over real HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

from tests.http_server import Handler, HttpServer


@dataclass
class HookListener(HttpServer):
    """Answers 204 to everything."""

    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Headers, in lower case, and raw body."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Hook,), {"listener": self})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{super().url}/webhook"


class _Hook(Handler):
    listener: ClassVar[HookListener]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.listener.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()
