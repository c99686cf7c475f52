"""Fixtures every room's tests share: one real Redis per test process, one ledger (its own stream) per test."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from raibid.ledger import Ledger
from raibid.local.redis_server import RedisServer

# A shared machine may pause for seconds: an example that took long says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real redis-server, as durable as the pool's; never restarted by a test that shares it."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def ledger(redis_server: RedisServer) -> Iterator[Ledger]:
    """An empty ledger: a stream name of its own keeps tests apart on the shared server."""
    ledger = Ledger.connect(redis_server.url, stream=f"t-{uuid.uuid4().hex[:12]}")
    ledger.setup()
    yield ledger
    ledger.close()


@pytest.fixture
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that is current, as in a program of the engine's: the SDK makes its futures of it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    # Outputs resolve in tasks of their own, also those that nobody asked for.
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop)))
    asyncio.set_event_loop(None)
    loop.close()
