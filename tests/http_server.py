"""Something that answers over real HTTP: what the tests' forges, listeners and registries are.

class Forge(HttpServer):
    def handler(self):
        return type("Bound", (_Handler,), {"forge": self})

with Forge() as forge:
    requests.get(forge.url)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self


class Handler(BaseHTTPRequestHandler):
    """Keeps connections, as forges do, and says nothing on stderr."""

    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: the second one waited 40 ms for the acknowledgement of the first (Nagle). With
    # a hundred calls in each of ninety tests that were five minutes.
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


class HttpServer(ABC):
    """Listens on loopback from `start` to `stop`; it keeps its port, so that what was down comes back where it was."""

    port = 0
    _server: ThreadingHTTPServer | None = None
    _thread: Thread | None = None

    @abstractmethod
    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Who answers a request."""

    @property
    def url(self) -> str:
        """Where it is, once it was started."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def up(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler())
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """End it; again is harmless."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
