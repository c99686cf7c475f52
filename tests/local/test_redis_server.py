"""Ports: one that was asked for is that one or an error; any other is found again when somebody was faster."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.local.redis_server import PortTakenError, RedisServer, free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_taken_between_the_look_and_the_bind_is_replaced(taken: int, tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.port = taken
    with server:
        assert server.port != taken
        assert server.pid


def test_a_port_that_was_asked_for_is_not_replaced(taken: int, tmp_path: Path) -> None:
    with pytest.raises(PortTakenError, match="Address already in use"), RedisServer(tmp_path, port=taken):
        pass


def test_a_restart_is_on_the_port_its_clients_know(tmp_path: Path) -> None:
    with RedisServer(tmp_path, port=free_port()) as server:
        before = server.url
        server.kill()
        assert server.start().url == before
