"""The load generator counts what a real server answered, and refuses to report what did not happen."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.loadgen import LoadError, Response, load, parse_response, request


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that the path names, and notes what came."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["X-Test"], body))
        if self.path == "/close":
            self.close_connection = True
            return
        self.send_response(int(self.path[1:]))
        answer = b"" if self.path == "/204" else b"x" * 100_000
        if answer:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
        """Silent."""


class Server(ThreadingHTTPServer):
    """Does not report the connections that a test breaks on purpose."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@pytest.fixture
def seen() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture
def port(seen: list[tuple[str, bytes]]) -> Iterator[int]:
    handler = type("Noting", (Handler,), {"seen": seen})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def post(path: str, body: bytes = b"hello", name: str = "a") -> bytes:
    return request("POST", path, headers={"X-Test": name}, body=body)


def test_every_request_is_sent_once_and_in_turn(port: int, seen: list[tuple[str, bytes]]) -> None:
    bodies = [b"one", b"two" * 50_000]
    result = load("127.0.0.1", port, [post("/200", b, str(i)) for i, b in enumerate(bodies)], count=11, connections=3)
    assert result.requests == 11
    assert result.statuses == {200: 11}
    assert sorted(seen) == sorted([("0", bodies[0])] * 6 + [("1", bodies[1])] * 5)


def test_percentiles_are_ordered_and_within_the_run(port: int) -> None:
    result = load("127.0.0.1", port, [post("/200")], count=20, connections=4)
    assert 0 < result.p50 <= result.p95 <= result.p99 <= result.longest <= result.seconds
    assert result.per_second == pytest.approx(20 / result.seconds)


def test_a_status_without_a_body_is_complete(port: int) -> None:
    result = load("127.0.0.1", port, [post("/204")], count=3, connections=1, expect=frozenset({204}))
    assert result.statuses == {204: 3}


def test_an_unexpected_status_is_no_figure(port: int) -> None:
    with pytest.raises(LoadError, match=r"\[503\] not expected"):
        load("127.0.0.1", port, [post("/200"), post("/503")], count=4, connections=1)


def test_a_closed_connection_is_no_figure(port: int) -> None:
    with pytest.raises(LoadError, match="closed"):
        load("127.0.0.1", port, [post("/close")], count=1, connections=1)


def test_time_is_bounded(port: int) -> None:
    with pytest.raises(LoadError, match="0 of 1 requests"):
        load("127.0.0.1", port, [post("/200", b"hello")[:-1]], count=1, budget=0.05)


def test_only_loopback_is_loaded() -> None:
    with pytest.raises(ValueError, match="not loopback"):
        load("192.0.2.1", 80, [b"x"], count=1)


@given(st.integers(200, 599), st.binary(max_size=50), st.integers(0, 200))
def test_a_response_is_complete_exactly_at_its_end(status: int, body: bytes, cut: int) -> None:
    whole = f"HTTP/1.1 {status} Reason\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    parsed = parse_response(whole[:cut])
    assert parsed in (None, Response(status, len(whole)))
    assert parse_response(whole) == Response(status, len(whole))


@pytest.mark.parametrize(
    "data", [b"HTTP/1.0 200 OK\r\n\r\n", b"junk\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 70_000]
)
def test_what_is_not_a_bounded_http_1_1_response_is_refused(data: bytes) -> None:
    with pytest.raises(LoadError):
        parse_response(data)
