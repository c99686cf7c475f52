"""An agent and its ledger: nothing to do, a ledger that is away, full or refuses to be told."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from raibid.contract import ExitCode
from raibid.ledger import Ledger, LedgerError, LedgerFullError, LedgerUnavailableError, StaleTokenError, Timing
from raibid.model.job import JobSpec, JobStatus
from raibid.worker import agent
from raibid.worker.agent import run_agent
from raibid.worker.config import AgentConfig
from raibid.worker.stop import Stop, StopReason

from tests.worker.conftest import Background, Fresh, Repository, enqueue, pipeline, record


def test_with_nothing_to_do_an_agent_exits_in_peace(ledger: Ledger, config: AgentConfig, stop: Stop) -> None:
    assert run_agent(ledger, config, stop=stop) == ExitCode.OK


def test_without_redis_an_agent_says_so_when_its_patience_ends(config: AgentConfig, stop: Stop) -> None:
    nowhere = Ledger.connect("redis://127.0.0.1:9/0")
    assert run_agent(nowhere, config, stop=stop) == ExitCode.UNAVAILABLE


def test_a_waiting_agent_takes_a_job_as_soon_as_it_comes(
    ledger: Ledger, repository: Repository, config: AgentConfig, stop: Stop
) -> None:
    repository.push(pipeline("true"))
    running = Background(ledger, replace(config, patience=float("inf")), stop)
    job_id = enqueue(ledger, repository.spec())

    assert running.join() == 0
    assert record(ledger, job_id).status is JobStatus.SUCCESS


class LateJob(Ledger):
    """A ledger whose job comes while the agent waits for one."""

    spec: JobSpec
    came: str = ""

    def wait(self, after: str, timeout: float) -> str:
        self.came = self.came or enqueue(self, self.spec)
        return super().wait(after, timeout)


def test_a_leaping_wall_clock_neither_shortens_nor_stretches_patience(
    leaping: Fresh, ledger: Ledger, repository: Repository, config: AgentConfig, stop: Stop
) -> None:
    repository.push(pipeline("true"))
    late = LateJob(ledger.client, stream=ledger.keys.stream, timing=ledger.timing)
    late.spec = repository.spec()

    assert leaping(agent).run_agent(late, replace(config, patience=20.0), stop=stop) == 0
    assert record(ledger, late.came).status is JobStatus.SUCCESS

    idle = Background(ledger, replace(config, patience=0.2), stop, leaping(agent).run_agent)
    try:
        assert idle.join() == 0
        assert stop.reason is None
    finally:
        stop.request(StopReason.TERMINATED)


class Refusing(Ledger):
    """A ledger that answers beats and does not let a job end."""

    refusal: LedgerError
    refused: Callable[[], object] = staticmethod(lambda: None)

    def finish(self, *_: object) -> None:
        self.refused()
        raise self.refusal


@pytest.fixture
def refusing(ledger: Ledger, repository: Repository) -> Refusing:
    repository.push(pipeline("true"))
    enqueue(ledger, repository.spec())
    return Refusing(ledger.client, stream=ledger.keys.stream, timing=Timing(lease=2.5, beat=0.05))


def test_a_ledger_that_will_not_be_told_is_left_after_a_lease(
    refusing: Refusing, config: AgentConfig, stop: Stop
) -> None:
    refusing.refusal = LedgerError("Redis: WRONGTYPE")
    assert run_agent(refusing, config, stop=stop) == ExitCode.FAILED
    assert stop.reason is None  # its lease was renewed to the last


def test_a_full_ledger_does_not_keep_an_agent_that_was_told_to_stop(
    refusing: Refusing, config: AgentConfig, stop: Stop
) -> None:
    refusing.refusal = LedgerFullError("maxmemory")
    refusing.refused = lambda: stop.request(StopReason.TERMINATED)
    assert run_agent(refusing, config, stop=stop) == ExitCode.FAILED


def test_a_full_ledger_is_told_for_longer_than_a_lease(refusing: Refusing, config: AgentConfig, stop: Stop) -> None:
    tries: list[float] = []

    def ends_after_more_than_a_lease() -> None:
        tries.append(time.monotonic())
        if tries[-1] > tries[0] + 1.3 * refusing.timing.lease:
            raise StaleTokenError("an end of telling, as good as any")

    refusing.refusal = LedgerFullError("maxmemory")
    refusing.refused = ends_after_more_than_a_lease
    assert run_agent(refusing, config, stop=stop) == ExitCode.OK
    assert stop.reason is None


def test_after_a_lost_lease_a_ledger_that_comes_back_is_told_nothing(
    refusing: Refusing, config: AgentConfig, stop: Stop
) -> None:
    tries = itertools.count(1)

    def lease_lost_meanwhile() -> None:
        assert next(tries) == 1
        stop.request(StopReason.STALE)

    refusing.refusal = LedgerUnavailableError("no Redis")
    refusing.refused = lease_lost_meanwhile
    assert run_agent(refusing, config, stop=stop) == ExitCode.OK
