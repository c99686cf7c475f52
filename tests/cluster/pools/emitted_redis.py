"""The stack's Redis as a plain process: its redis.conf, and a file of users.

Owns: what differs from the emitted pod: places, address, port.
Leaves to others: which users there are, the process itself (`raibid.local.redis_server`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from raibid.local.redis_server import RedisServer, free_port

from components import redis

LOOPBACK: Final = "127.0.0.1"
_PLACES: Final = ("aclfile", "dir", "pidfile")
"""Directives of redis.conf that name places in its container."""


def emitted_redis(
    directory: Path, users: str, *, address: str = LOOPBACK, env: Mapping[str, str] | None = None
) -> RedisServer:
    """As durable as the stack's, with these users, on loopback and at `address`; it is not started yet."""
    directory.mkdir(parents=True, mode=0o700)
    acl = directory / "users.acl"
    acl.touch(mode=0o600)
    acl.write_text(users)
    lines = (line.split(" ", 1) for line in redis.CONF.splitlines() if line and not line.startswith("#"))
    config = {name: value for name, value in lines if name not in _PLACES}
    if address != LOOPBACK:
        # Protected mode would refuse pods, although nobody is anonymous.
        config |= {"bind": f"{LOOPBACK} {address}", "protected-mode": "no"}
    return RedisServer(directory, acl_file=acl, config=config, env=env, port=free_port())
