"""Answers that are too large, too slow or badly cut, over real sockets: each ends, and costs no more than its limit."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

import pytest
from raibid.forge import body
from raibid.forge.credentials import Login
from raibid.forge.errors import ForgeAnswerError, ForgeSilentError
from raibid.forge.session import Session

from tests.http_server import Handler, HttpServer

LIMIT = 256 * 1024


@dataclass
class Endless(HttpServer):
    """A server that answers `/large`, `/bomb`, `/slow` and everything else, which is `{}`."""

    connections: set[Any] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"endless": self})


class _Handler(Handler):
    endless: ClassVar[Endless]

    def do_GET(self) -> None:
        self.endless.connections.add(self.client_address)
        bodies = {"/large": b" " * (LIMIT + 1), "/bomb": gzip.compress(b" " * (100 * LIMIT))}
        content = bodies.get(self.path, b"{}")
        self.send_response(204 if self.path == "/nothing" else 200)
        if self.path == "/slow":
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self._drip()
            return
        if self.path == "/nothing":
            self.end_headers()
            return
        if self.path == "/bomb":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _drip(self) -> None:
        self.close_connection = True
        try:
            while not self.endless.over.wait(0.02):
                self.wfile.write(b" ")
        except OSError:
            return


@pytest.fixture
def endless() -> Iterator[Endless]:
    with Endless() as endless:
        yield endless
        endless.over.set()


@pytest.fixture
def session(endless: Endless, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(body, "MOST_BYTES", LIMIT)
    with Session(endless.url, Login("ci", "x"), tries=0, timeout=(5.0, 5.0), longest=0.3) as session:
        yield session


@pytest.mark.parametrize("path", ["/large", "/bomb"])
def test_an_answer_that_is_too_large_is_an_error_and_the_next_one_is_not_its_rest(session: Session, path: str) -> None:
    with pytest.raises(ForgeAnswerError, match="more than"):
        session.get(path, dict)
    assert session.get("/other", dict) == {}


def test_an_answer_that_comes_byte_by_byte_ends_at_its_deadline(session: Session) -> None:
    with pytest.raises(ForgeSilentError, match="still answering"):
        session.get("/slow", dict)


def test_answers_that_were_read_leave_their_connection_to_the_next(session: Session, endless: Endless) -> None:
    for path in ("/one", "/nothing", "/two"):
        session.do("GET", path)
    assert len(endless.connections) == 1
