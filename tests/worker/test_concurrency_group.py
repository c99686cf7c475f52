"""A pipeline that names a concurrency group, from the agent's side: it runs alone or goes back to the queue."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from raibid.contract import Env, ExitCode
from raibid.ledger import Beat, Joined, Ledger, LedgerError, LedgerUnavailableError
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobStatus
from raibid.model.pipeline import Concurrency
from raibid.worker.concurrency import join_group
from raibid.worker.config import AgentConfig
from raibid.worker.errors import InfrastructureError, InterruptedBuildError, NoLongerOursError
from raibid.worker.output import Output
from raibid.worker.stop import Stop, StopReason

from tests.worker.conftest import Repository, enqueue, log_of, record

DEPLOY = Concurrency(group="deploy")


def in_group(repository: Repository, script: str, group: str) -> str:
    """Push a pipeline of one step; a spec of its commit can be enqueued."""
    text = f"concurrency: {group}\nsteps:\n  - name: only\n    run: |\n      {script}\n"
    return repository.push({".raibid.yaml": text})


class Sink:
    def step(self, name: str) -> None: ...

    def write(self, text: bytes) -> None: ...


def asked(answers: list[Joined | LedgerError], stop: Stop, before: Callable[[], None] = lambda: None) -> None:
    def join(group: str, *, supersede: bool = False) -> Joined:
        before()
        answer = answers.pop(0)
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    join_group(DEPLOY, join, Output(Sink()), stop)


@pytest.fixture
def one_agent(ledger: Ledger, config: AgentConfig, redis_server: RedisServer) -> Callable[[], int]:
    """An agent, to its end. In a process of its own: agents of one process take each other's children for their own."""
    env = {
        **config.environment,
        Env.REDIS_URL: redis_server.url,
        Env.STREAM: ledger.keys.stream,
        Env.WORKSPACE: str(config.workspace),
        Env.ALLOW_FILE_REPOS: "true",
    }
    return lambda: subprocess.run([sys.executable, "-m", "raibid.worker"], env=env, check=False, timeout=100).returncode


def test_a_second_build_of_a_group_waits_for_the_first_and_keeps_its_attempts(
    ledger: Ledger, repository: Repository, one_agent: Callable[[], int]
) -> None:
    spec = repository.spec(in_group(repository, "true", "deploy"))
    first, second = enqueue(ledger, spec), enqueue(ledger, spec)
    has_it = ledger.claim("another agent")
    assert has_it
    assert ledger.join(first, has_it.token, "deploy") is Joined.OK

    assert one_agent() == ExitCode.OK  # it looked, and went away
    waiting = record(ledger, second)
    assert (waiting.status, waiting.attempt, ledger.wanted()) == (JobStatus.WAITING, 0, 1)
    assert f"concurrency group deploy is taken by {first}" in log_of(ledger, second)

    ledger.finish(first, has_it.token, JobStatus.SUCCESS)
    assert one_agent() == ExitCode.OK
    built = record(ledger, second)
    assert (built.status, built.attempt) == (JobStatus.SUCCESS, 1)


def test_a_newer_build_of_a_group_that_cancels_stops_the_older_one(
    ledger: Ledger, repository: Repository, one_agent: Callable[[], int]
) -> None:
    spec = repository.spec(in_group(repository, "true", "{group: deploy, cancel: true}"))
    old, new = enqueue(ledger, spec), enqueue(ledger, spec)
    has_it = ledger.claim("another agent")
    assert has_it
    assert ledger.join(old, has_it.token, "deploy", supersede=True) is Joined.OK

    assert one_agent() == ExitCode.OK
    assert ledger.beat(old, has_it.token) is Beat.CANCEL
    ledger.finish(old, has_it.token, JobStatus.CANCELLED)
    assert record(ledger, old).reason == f"superseded by {new}"
    assert one_agent() == ExitCode.OK
    assert record(ledger, new).status is JobStatus.SUCCESS


@pytest.mark.parametrize("answer", [Joined.WAIT, Joined.CANCELLED])
def test_a_job_that_may_not_run_is_no_longer_this_agents(answer: Joined, stop: Stop) -> None:
    with pytest.raises(NoLongerOursError, match="deploy"):
        asked([answer], stop)


def test_a_ledger_that_is_away_is_asked_again(stop: Stop) -> None:
    asked([LedgerUnavailableError("no Redis"), Joined.OK], stop)


def test_a_ledger_that_refuses_is_an_infrastructure_failure(stop: Stop) -> None:
    with pytest.raises(InfrastructureError, match="WRONGTYPE"):
        asked([LedgerError("WRONGTYPE")], stop)


def test_whoever_is_told_to_stop_asks_no_more(stop: Stop) -> None:
    away: list[Joined | LedgerError] = [LedgerUnavailableError("no Redis")] * 2
    with pytest.raises(InterruptedBuildError):
        asked(away, stop, before=lambda: stop.request(StopReason.STALE))
    assert len(away) == 1
