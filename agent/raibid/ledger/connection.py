"""How the ledger reaches Redis: the two clients, and the lease's timing.

Owns: connection settings, reading them from the environment.
Leaves to others: what is said over the connection.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from raibid.contract import BEAT_SECONDS, LEASE_SECONDS, Env

_LATE_SECONDS: Final = 5.0
"""An answer that comes so late is no answer any more."""


@dataclass(frozen=True)
class Timing:
    """Lease and heartbeat, in seconds; agents and API must agree on them."""

    lease: float = LEASE_SECONDS
    beat: float = BEAT_SECONDS

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Lease and beat from the environment, else the contract's.

        Raises:
            ValueError: the lease is shorter than two beats; one lost beat would lose the job.
        """
        lease = float(env.get(Env.LEASE_SECONDS, LEASE_SECONDS))
        beat = float(env.get(Env.BEAT_SECONDS, BEAT_SECONDS))
        if lease < 2 * beat:
            raise ValueError(f"{Env.LEASE_SECONDS}={lease:g} must be at least twice {Env.BEAT_SECONDS}={beat:g}")
        return cls(lease, beat)


def command_client(url: str, username: str | None = None, password: str | None = None) -> redis.Redis:
    """The client for commands: an answer within 5 s, or an error. Opens no connection yet."""
    return redis.Redis.from_url(
        url,
        username=username,
        password=password,
        protocol=3,
        socket_timeout=_LATE_SECONDS,
        socket_connect_timeout=_LATE_SECONDS,
        health_check_interval=15,
        # Safe because every script answers a repetition as it did the first time.
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), 3),
    )


def blocking_twin(client: redis.Redis, *, longest: float) -> redis.Redis:
    """The same Redis for reads that block `longest` seconds at most: a command's timeout would cut them short.

    Not without any: on a connection whose other end vanished without a word the reader would wait for ever.
    """
    pool = client.connection_pool
    late = pool.connection_kwargs.get("socket_timeout") or _LATE_SECONDS
    settings = {**pool.connection_kwargs, "socket_timeout": longest + late, "socket_keepalive": True}
    return redis.Redis(connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **settings))


def password_from(env: Mapping[str, str]) -> str | None:
    """Redis' password: from the file the environment names, else from the environment."""
    if file := env.get(Env.REDIS_PASSWORD_FILE):
        return Path(file).read_text(encoding="utf-8").strip()
    return env.get(Env.REDIS_PASSWORD)
