"""A stand-in for the API at the other end of a real socket: answers are given by the test, requests are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeApi:
    """Answers by (method, path without query): a list is worked off, its last answer stays."""

    url: str = ""
    answers: dict[tuple[str, str], list[tuple[int, bytes]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def on(self, method: str, path: str, *bodies: bytes, status: int = 200) -> None:
        self.answers[(method, path)] = [(status, body) for body in bodies]

    def answer(self, request: Request) -> tuple[int, bytes]:
        self.requests.append(request)
        queue = self.answers.get((request.method, request.path.partition("?")[0]))
        if not queue:
            return 404, b'{"error": "no such thing", "remedy": "look elsewhere"}'
        return queue.pop(0) if len(queue) > 1 else queue[0]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    fake = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
            status, body = fake.answer(request)
            self.send_response(status)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("RAIBID_API_URL", fake.url)
    monkeypatch.setenv("RAIBID_TOKEN", "t0ken-of-the-test")
    monkeypatch.setenv("NO_COLOR", "1")
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def raibid(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process: exit code, stdout, stderr."""
    from raibid.cli.main import run

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call
