"""The receiver of Flux's alerts, over real HTTP: what is taken, what is refused, and how."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.errors import GitopsSettingsError
from raibid.gitops.rollback import receiver as module
from raibid.gitops.rollback.receiver import (
    HEADER,
    MOST_BYTES,
    Alert,
    AlertError,
    Receiver,
    Served,
    keys_of,
    opened,
    signature,
)

from tests.waiting import until

KEY = b"the key of the provider"
# As notification-controller marshals an event (fluxcd/pkg/apis/event/v1beta1).
EVENT = json.dumps(
    {
        "involvedObject": {"kind": "Kustomization", "namespace": "flux-system", "name": "apps"},
        "severity": "error",
        "timestamp": "2026-11-21T12:00:00Z",
        "message": "timeout waiting for: [Deployment/apps/web status: 'InProgress']",
        "reason": "HealthCheckFailed",
        "metadata": {"kustomize.toolkit.fluxcd.io/revision": "main@sha1:0123"},
        "reportingController": "kustomize-controller",
    }
).encode()


@dataclass
class Listening:
    """A receiver that listens, and what it was told."""

    url: str = ""
    port: int = 0
    keys: tuple[bytes, ...] = (KEY,)
    ready: bool = False
    alerts: list[Alert] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)

    def post(self, body: bytes = EVENT, signed: str | None = None, path: str = "/flux") -> requests.Response:
        headers = {HEADER: signature(body, KEY) if signed is None else signed}
        return requests.post(self.url + path, data=body, headers=headers, timeout=10)

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as there:
            there.sendall(request)
            there.shutdown(socket.SHUT_WR)
            return there.recv(65536)


@contextmanager
def listening() -> Iterator[Listening]:
    found = Listening()
    served = Served(
        keys=lambda: found.keys,
        alerted=found.alerts.append,
        counted=found.counted.append,
        ready=lambda: found.ready,
        metrics=lambda: (b"raibid_rollback_total 0\n", "text/plain"),
    )
    with Receiver("127.0.0.1", 0, served) as server:
        found.port = server.port
        found.url = f"http://127.0.0.1:{server.port}"
        yield found


@pytest.fixture
def receiver() -> Iterator[Listening]:
    with listening() as found:
        yield found


def test_a_signed_alert_is_taken_and_named(receiver: Listening) -> None:
    assert receiver.post().status_code == 202
    assert receiver.alerts == [Alert("Kustomization/flux-system/apps", "HealthCheckFailed")]
    assert receiver.counted == ["taken"]


def test_the_signature_is_what_notification_controller_computes() -> None:
    # fmt.Sprintf("sha256=%s", fmt.Sprintf("%x", hmac.New(sha256.New, key).Sum(nil)))
    assert signature(b"body", KEY) == "sha256=" + hmac.new(KEY, b"body", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "signed", ["", "sha256=", signature(EVENT, b"another"), signature(EVENT, KEY).removeprefix("sha256="), "sha256=ä"]
)
def test_an_alert_that_is_not_signed_by_the_key_is_refused_and_looked_at_by_nobody(
    receiver: Listening, signed: str
) -> None:
    assert receiver.post(signed=signed.encode("utf-8").decode("latin-1")).status_code == 401
    assert (receiver.alerts, receiver.counted) == ([], ["unauthorized"])


def test_a_changed_byte_is_noticed(receiver: Listening) -> None:
    assert receiver.post(EVENT.replace(b"apps", b"appz"), signed=signature(EVENT, KEY)).status_code == 401


def test_both_keys_hold_while_one_replaces_the_other(receiver: Listening) -> None:
    receiver.keys = (b"the new one", KEY)
    assert receiver.post().status_code == 202


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"involvedObject": []}', b"[" * 5000])
def test_a_signed_body_that_is_no_event_is_a_bad_request(receiver: Listening, body: bytes) -> None:
    assert receiver.post(body).status_code == 400
    assert receiver.alerts == []


def test_a_body_is_refused_by_its_announced_length_before_it_is_read(receiver: Listening) -> None:
    head = f"POST /flux HTTP/1.1\r\nHost: x\r\nContent-Length: {MOST_BYTES + 1}\r\n\r\n".encode()
    assert b" 413 " in receiver.raw(head).splitlines()[0]


@pytest.mark.parametrize("length", ["", "Content-Length: -1\r\n", "Content-Length: ten\r\n", "Content-Length: ²\r\n"])
def test_a_body_without_a_length_is_not_waited_for(receiver: Listening, length: str) -> None:
    head = f"POST /flux HTTP/1.1\r\nHost: x\r\n{length}\r\n".encode()
    assert b" 411 " in receiver.raw(head).splitlines()[0]


def test_a_body_that_ends_early_is_not_taken(receiver: Listening) -> None:
    head = f"POST /flux HTTP/1.1\r\nContent-Length: 10\r\n{HEADER}: {signature(b'12', KEY)}\r\n\r\n12".encode()
    assert b" 408 " in receiver.raw(head).splitlines()[0]
    assert receiver.alerts == []


def test_headers_that_trickle_in_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.1)
    with listening() as receiver, socket.create_connection(("127.0.0.1", receiver.port)) as there:
        there.settimeout(0.05)
        there.sendall(b"POST /flux HTTP/1.1\r\n")

        def answered() -> bool:
            try:
                there.sendall(b"X-More: to come\r\n")
                return bool(there.recv(100))
            except TimeoutError:
                return False

        until(answered, "the receiver has heard enough")


def test_there_are_only_so_many_connections_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_AT_ONCE", 1)
    with listening() as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)):
            assert receiver.raw(b"") == b""
            assert receiver.counted == ["busy"]

        def free() -> bool:
            try:
                return requests.get(f"{receiver.url}/healthz", timeout=10).ok
            except requests.ConnectionError:
                return False

        until(free, "the next one is heard")


@pytest.mark.parametrize("sent", [b"POST /flux HTTP/1.1\r\n", b"POST /flux HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"])
def test_a_sender_that_hangs_up_leaves_no_traceback(
    receiver: Listening, capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    there = socket.create_connection(("127.0.0.1", receiver.port))
    there.sendall(sent)
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
    there.close()
    until(lambda: not [thread for thread in threading.enumerate() if "process_request" in thread.name], "it is over")
    assert receiver.post().status_code == 202
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/flux", 405),
        ("POST", "/", 404),
        ("POST", "/healthz", 404),
        ("GET", "/secrets", 404),
        ("PUT", "/flux", 501),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
    ],
)
def test_there_is_one_path_to_post_to(receiver: Listening, method: str, path: str, status: int) -> None:
    assert requests.request(method, receiver.url + path, timeout=10).status_code == status


def test_it_is_ready_once_the_cluster_was_seen(receiver: Listening) -> None:
    assert requests.get(f"{receiver.url}/readyz", timeout=10).status_code == 503
    receiver.ready = True
    assert requests.get(f"{receiver.url}/readyz", timeout=10).status_code == 200


def test_a_key_that_cannot_be_read_takes_no_alert(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    for name in ("empty", "missing"):
        with pytest.raises(GitopsSettingsError):
            keys_of(tmp_path / name)


def test_a_keys_file_may_end_with_a_line_break(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(KEY + b"\n")
    assert keys_of(tmp_path / "token") == (KEY,)


@given(st.binary(max_size=200), st.text(max_size=90))
def test_nothing_unsigned_is_ever_opened(body: bytes, given_: str) -> None:
    with pytest.raises(AlertError):
        opened(body, given_, (KEY,))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_is_signed_gives_an_alert_or_a_refusal(value: object) -> None:
    body = json.dumps({"involvedObject": value}).encode()
    if isinstance(value, dict):
        assert isinstance(opened(body, signature(body, KEY), (KEY,)), Alert)
        return
    with pytest.raises(AlertError) as refused:
        opened(body, signature(body, KEY), (KEY,))
    assert refused.value.status == 400
