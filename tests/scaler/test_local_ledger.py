"""The local scaler on a real ledger and a real Redis."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.ledger import Ledger, LedgerUnavailableError, NewJob
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobSpec, JobStatus
from raibid.scaler.local import LocalScaler, ScalerEvent, stream_length

from tests.scaler.pool import WORKS_ON, Pool
from tests.waiting import until

ONE_JOB = """
import os
from raibid.contract import Env
from raibid.ledger import Ledger
from raibid.model.job import JobStatus
ledger = Ledger.from_env()
claim = ledger.claim(os.environ[Env.AGENT_NAME])
if claim is not None:
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
"""
"""What an agent does, without the build."""


def test_the_queue_s_length_is_xlen_of_the_work_stream(ledger: Ledger) -> None:
    read = stream_length(ledger)
    before = read()
    ledger.client.xadd(ledger.keys.stream, {"job": "x"})
    assert (before, read()) == (0, 1)


def test_an_unreachable_redis_is_the_ledger_s_error() -> None:
    ledger = Ledger.connect("redis://127.0.0.1:1/0")
    with pytest.raises(LedgerUnavailableError):
        stream_length(ledger)()
    ledger.close()


def test_the_pool_drains_the_queue_and_goes_back_to_zero(ledger: Ledger, redis_server: RedisServer) -> None:
    spec = JobSpec(repo="o/r", clone_url="https://git.example/o/r.git", ref="refs/heads/main")
    ids = [e.id for e in ledger.enqueue([NewJob(spec=spec, dedupe=f"d{i}") for i in range(5)])]
    env = {**os.environ, Env.REDIS_URL: redis_server.url, Env.STREAM: ledger.keys.stream}
    events: list[ScalerEvent] = []
    scaler = LocalScaler(
        stream_length(ledger), max_agents=2, command=(sys.executable, "-c", ONE_JOB), env=env, on_event=events.append
    )

    def drained() -> bool:
        assert scaler.step() <= 2
        assert scaler.running <= 2
        return ledger.depth().stream == ledger.depth().waiting == scaler.running == 0

    until(drained, "all jobs are done")
    statuses = {job.status for i in ids if (job := ledger.records.get(i))}
    assert statuses == {JobStatus.SUCCESS}
    assert [e.kind for e in events].count("failed") == 0
    assert [e.kind for e in events].count("started") == 5


def test_a_real_redis_may_go_and_come_back(tmp_path: Path, pool: Pool) -> None:
    with RedisServer(tmp_path) as server:
        ledger = Ledger.connect(server.url)
        ledger.client.xadd(ledger.keys.stream, {"job": "x"})
        scaler = LocalScaler(
            stream_length(ledger), command=(sys.executable, "-c", WORKS_ON), on_event=pool.events.append
        )
        pool.scalers.append(scaler)
        server.kill()
        assert (scaler.step(), scaler.step()) == (0, 0)
        server.start()
        assert scaler.step() == 1  # the stream survived: appendfsync always
        ledger.close()
    assert (len(pool.said("redis-away")), len(pool.said("redis-back"))) == (1, 1)
