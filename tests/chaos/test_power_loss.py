"""The power cut takes exactly what was never synced."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from raibid.local.redis_server import RedisServer

from tests.chaos.power_loss import PowerLoss, PowerLossError


@pytest.fixture
def shim(tmp_path: Path) -> PowerLoss:
    shim = PowerLoss(tmp_path)
    shim.build()
    return shim


def cut_power(server: RedisServer, shim: PowerLoss) -> int:
    server.kill()
    lost = shim.cut(server.directory / "appendonlydir")
    server.start()
    return lost


def test_with_fsync_always_what_was_answered_survives(tmp_path: Path, shim: PowerLoss) -> None:
    with RedisServer(tmp_path / "redis", env=shim.env) as server:
        client = redis.Redis.from_url(server.url)
        for number in range(100):
            client.set(str(number), "answered")
        cut_power(server, shim)
        assert client.dbsize() == 100


def test_without_fsync_what_was_answered_is_lost(tmp_path: Path, shim: PowerLoss) -> None:
    with RedisServer(tmp_path / "redis", env=shim.env, config={"appendfsync": "no"}) as server:
        client = redis.Redis.from_url(server.url)
        client.set("a", "answered")
        assert cut_power(server, shim) > 0
        assert client.dbsize() == 0


def test_the_trap_kills_between_write_and_sync(tmp_path: Path, shim: PowerLoss) -> None:
    with RedisServer(tmp_path / "redis", env=shim.env) as server:
        client = redis.Redis.from_url(server.url, retry=None)
        client.set("before", "answered")
        shim.arm()
        with pytest.raises(redis.ConnectionError):
            client.set("after", "never answered")
        assert cut_power(server, shim) > 0
        assert client.keys() == [b"before"]


def test_a_rewrite_of_the_file_is_not_taken_for_a_loss(tmp_path: Path, shim: PowerLoss) -> None:
    with RedisServer(tmp_path / "redis", env=shim.env) as server:
        client = redis.Redis.from_url(server.url)
        client.set("a", "answered")
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            pass
        client.set("b", "answered")
        cut_power(server, shim)
        assert client.dbsize() == 2


def test_no_compiler_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PowerLossError, match="apt-get install gcc"):
        PowerLoss(tmp_path).build()


def test_a_server_without_the_shim_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PowerLossError, match="LD_PRELOAD"):
        PowerLoss(tmp_path).cut(tmp_path)
