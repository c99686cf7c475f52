"""A pipeline that names a concurrency group, from the agent's side: it runs alone or goes back to the queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import ExitCode
from raibid.ledger import Joined, Ledger, LedgerError, LedgerUnavailableError
from raibid.model.job import JobStatus
from raibid.model.pipeline import Concurrency
from raibid.worker.agent import run_agent
from raibid.worker.concurrency import join_group
from raibid.worker.config import AgentConfig
from raibid.worker.errors import InfrastructureError, InterruptedBuildError, NoLongerOursError
from raibid.worker.output import Output
from raibid.worker.stop import Stop, StopReason

from tests.waiting import until
from tests.worker.conftest import Background, Repository, enqueue, log_of, record

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


def test_a_second_build_of_a_group_waits_for_the_first_and_keeps_its_attempts(
    quick: Ledger, repository: Repository, config: AgentConfig, stop: Stop, tmp_path: Path
) -> None:
    go, began = tmp_path / "go", tmp_path / "began"
    sha = in_group(repository, f"touch {began}; while [ ! -e {go} ]; do sleep 0.05; done", "deploy")
    first, second = enqueue(quick, repository.spec(sha)), enqueue(quick, repository.spec(sha))
    with Stop() as of_first:
        running = Background(quick, replace(config, name="first"), of_first)
        until(began.exists)
        assert run_agent(quick, config, stop=stop) == ExitCode.OK  # it looked, and went away
        waiting = record(quick, second)
        assert (waiting.status, waiting.attempt, quick.wanted()) == (JobStatus.WAITING, 0, 1)
        assert f"concurrency group deploy is taken by {first}" in log_of(quick, second)
        go.touch()
        assert running.join() == ExitCode.OK
    assert record(quick, first).status is JobStatus.SUCCESS
    assert run_agent(quick, config, stop=stop) == ExitCode.OK
    assert (record(quick, second).status, record(quick, second).attempt) == (JobStatus.SUCCESS, 1)


def test_a_newer_build_of_a_group_that_cancels_stops_the_older_one(
    quick: Ledger, repository: Repository, config: AgentConfig, stop: Stop, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    group = "{group: deploy, cancel: true}"
    old = enqueue(quick, repository.spec(in_group(repository, f"touch {began}; sleep 600", group)))
    with Stop() as of_old:
        running = Background(quick, replace(config, name="first"), of_old)
        until(began.exists)
        new = enqueue(quick, repository.spec(in_group(repository, "true", group)))
        assert run_agent(quick, config, stop=stop) == ExitCode.OK
        assert running.join() == ExitCode.OK
    ended = record(quick, old)
    assert (ended.status, ended.reason) == (JobStatus.CANCELLED, f"superseded by {new}")
    assert run_agent(quick, config, stop=stop) == ExitCode.OK
    assert record(quick, new).status is JobStatus.SUCCESS


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
