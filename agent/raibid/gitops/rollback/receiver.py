"""Where Flux says that something failed: an HTTP server for the alerts of a `generic-hmac` Provider, probes, metrics.

Owns: the signature, the bounds on what is read, the answers.
Leaves to others: what an alert leads to (`controller.py`: a look at everything, so nothing of it is believed), which
metrics there are (`metrics.py`).

notification-controller signs the very bytes that it sends, with HMAC-SHA256 and all bytes of the Secret's `token`:
`X-Signature: sha256=<hex>` (internal/notifier/forwarder.go, 1.9). It sends an alert four more times when the answer is
no 2xx, and forgets it then: the controller looks by itself, too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Final, Self

from raibid.gitops.errors import GitopsError, GitopsSettingsError

PATH: Final = "/flux"
HEADER: Final = "X-Signature"
MOST_BYTES: Final = 256 * 1024
"""An event's message is cut by the API server at 1 kB; its metadata are a few labels."""
_SECONDS: Final = 10.0
"""What a request may take to arrive, headers and body together."""
_MOST_AT_ONCE: Final = 32
"""notification-controller sends an alert at a time, Prometheus and the kubelet ask now and then."""
_PREFIX: Final = "sha256="


@dataclass(frozen=True)
class Alert:
    """What a signed alert names; for the log."""

    about: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Served:
    """Whom the receiver works for."""

    keys: Callable[[], tuple[bytes, ...]]
    """What alerts may be signed with; asked each time, because a key is rotated in place."""
    alerted: Callable[[Alert], None]
    counted: Callable[[str], None]
    """An outcome of a delivery: `taken`, or the refusal's name."""
    ready: Callable[[], bool]
    metrics: Callable[[], tuple[bytes, str]]
    """The page and its content type."""


class AlertError(GitopsError):
    """An alert that is not taken. `status`: the answer; the message says why, and nothing of what was sent."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def keys_of(file: Path) -> tuple[bytes, ...]:
    """The keys of a file: one, or one per line while one replaces the other.

    Raises:
        GitopsSettingsError: it cannot be read, or holds none.
    """
    try:
        keys = tuple(line for line in file.read_bytes().splitlines() if line)
    except OSError as error:
        raise GitopsSettingsError(f"{file}: {error.strerror}") from error
    if not keys:
        raise GitopsSettingsError(f"{file}: is empty: nothing could be told from a stranger's alert")
    return keys


def signature(body: bytes, key: bytes) -> str:
    """The header's value."""
    return _PREFIX + hmac.new(key, body, hashlib.sha256).hexdigest()


def opened(body: bytes, given: str, keys: tuple[bytes, ...]) -> Alert:
    """The alert in a body.

    Raises:
        AlertError: 401 when none of the keys signed it, 400 when it is no event of Flux's.
    """
    told = given.encode("utf-8", "replace")  # compare_digest takes no other text than ASCII
    if not any(hmac.compare_digest(signature(body, key).encode(), told) for key in keys):
        raise AlertError(HTTPStatus.UNAUTHORIZED, f"{HEADER} is missing or does not fit")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise AlertError(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
    involved = event.get("involvedObject") if isinstance(event, Mapping) else None
    if not isinstance(involved, Mapping):
        raise AlertError(HTTPStatus.BAD_REQUEST, "the body is no event of Flux's: it has no involvedObject")
    about = "/".join(str(involved.get(key, ""))[:253] for key in ("kind", "namespace", "name"))
    return Alert(about, str(event.get("reason", ""))[:100])


class Receiver:
    """The server, in threads of its own. A context manager; `port` 0 lets the system choose.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(self, host: str, port: int, served: Served) -> None:
        self._server = _Server((host, port), type("Bound", (_Handler,), {"served": served}))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="receiver")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """A thread per connection, of which there are only so many, and none listens for longer than `_SECONDS`."""

    daemon_threads = True  # whoever sends slowly does not hold up our end
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        super().__init__(address, handler)
        self._free = BoundedSemaphore(_MOST_AT_ONCE)
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = Lock()
        self._counted = handler.served.counted

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; a connection too many is closed."""
        if not self._free.acquire(blocking=False):
            self._counted("busy")
            self.shutdown_request(request)
            return
        with self._lock:
            self._deadlines[request] = time.monotonic() + _SECONDS
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._deadlines.pop(request, None)
            self._free.release()

    def service_actions(self) -> None:
        """What is late has ended: whoever reads from it is told so. The handler's own timeout starts with each byte."""
        now = time.monotonic()
        with self._lock:
            late = [request for request, deadline in self._deadlines.items() if now > deadline]
            for request in late:
                del self._deadlines[request]
                with suppress(OSError):  # it has just been closed
                    request.shutdown(socket.SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that hangs up is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One request per connection (HTTP/1.0): what is left of a refused body goes with it."""

    served: Served
    server_version = "raibid-rollback"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(HTTPStatus.OK, b"ok\n")
            case "/readyz" if self.served.ready():
                self._answer(HTTPStatus.OK, b"ok\n")
            case "/readyz":
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"has not seen the cluster yet\n")
            case "/metrics":
                self._answer(HTTPStatus.OK, *self.served.metrics())
            case path:
                self._answer(HTTPStatus.METHOD_NOT_ALLOWED if path == PATH else HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        try:
            alert = opened(self._body(), self.headers.get(HEADER, ""), self.served.keys())
        except AlertError as error:
            self.served.counted(error.status.name.lower())
            self._answer(error.status, f"{error}\n".encode())
        except GitopsSettingsError as error:  # the Secret is being replaced: come again
            self.served.counted("no_key")
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n".encode())
        else:
            self.served.counted("taken")
            self.served.alerted(alert)
            self._answer(HTTPStatus.ACCEPTED)

    def _body(self) -> bytes:
        said = self.headers.get("Content-Length", "")
        if not (said.isascii() and said.isdigit()):
            raise AlertError(HTTPStatus.LENGTH_REQUIRED, "no Content-Length")
        if len(said) > 10 or int(said) > MOST_BYTES:
            raise AlertError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_BYTES} bytes")
        try:
            body = self.rfile.read(int(said))
        except (ConnectionError, TimeoutError):
            body = b""
        if len(body) < int(said):
            raise AlertError(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive")
        return body

    def _answer(self, status: HTTPStatus, body: bytes = b"", kind: str = "text/plain; charset=utf-8") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # nobody is there to be answered

    def log_message(self, *_: Any) -> None:
        """Not here: what was taken is told by the controller, what was not is counted."""
