"""One claimed job from checkout to verdict, in a workspace of its own.

Owns: the order of things, and the decision what the ledger is told (`decide`, pure).
Leaves to others: the lease and the ledger's words (`agent.py`), each thing itself.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from raibid.model.job import Job, JobStatus, Report
from raibid.worker.checkout import Checkout, checkout
from raibid.worker.config import AgentConfig
from raibid.worker.environment import agent_variables, job_variables
from raibid.worker.errors import (
    AgentError,
    InfrastructureError,
    InterruptedBuildError,
    JobFaultError,
    NoLongerOursError,
)
from raibid.worker.job_log import Append, JobLog
from raibid.worker.output import Output
from raibid.worker.stop import Stop, StopReason
from raibid.worker.workspace import Workspace, workspace

if TYPE_CHECKING:  # pydantic comes with it: 20 MB and 100 ms that an agent without a job does not need
    from raibid.worker.artifacts import Put
    from raibid.worker.concurrency import Join
    from raibid.worker.pipeline_run import Place, Result

_log = logging.getLogger(__name__)
_LOG_PATIENCE: Final = 20.0
"""Seconds after the build for the rest of its log; the lease is still renewed meanwhile."""
_HASTY_LOG_PATIENCE: Final = 3.0
_FIRST_DELAY: Final = 5.0
_LAST_SECONDS: Final = 60.0
"""For artifacts of a build that has used up its agent's time: its pod lives 300 s longer (docs/agent.md)."""


class Ending(StrEnum):
    """What the ledger is told."""

    FINISH = "finish"
    RETRY = "retry"  #: infrastructure: back into the queue, the attempt counts
    HAND_BACK = "hand back"  #: SIGTERM: back into the queue, the attempt does not count
    SILENCE = "silence"  #: the job is another agent's, or the ledger has it back already: nothing


@dataclass(frozen=True)
class Verdict:
    """How the agent's part in a job ends."""

    ending: Ending
    status: JobStatus = JobStatus.FAILED  #: only for FINISH
    report: Report = field(default_factory=Report)

    @property
    def handed_back(self) -> bool:
        """Whether another agent is to do the job, through no fault of anybody's."""
        return self.ending is Ending.HAND_BACK


def decide(stop: StopReason | None, done: Result | None, error: AgentError | None) -> Verdict:
    """The verdict. A lost lease forbids any; a build that is done is finished even if somebody then wanted it stopped.

    Args:
        stop: why the build was to end, if it was.
        done: the pipeline's result, if it came to one; outcome cancelled: it was interrupted.
        error: what kept it from one.
    """
    if stop is StopReason.STALE or isinstance(error, NoLongerOursError):
        return Verdict(Ending.SILENCE, report=Report(reason=str(error or stop or "")))
    if done is not None and done.outcome is not JobStatus.CANCELLED:
        return Verdict(Ending.FINISH, done.outcome, done.report)
    report = done.report if done else Report(reason=str(error or ""))
    if stop is StopReason.CANCELLED:
        return Verdict(Ending.FINISH, JobStatus.CANCELLED, msgspec.structs.replace(report, reason="cancelled"))
    if stop is StopReason.TERMINATED:
        return Verdict(Ending.HAND_BACK, report=msgspec.structs.replace(report, reason=str(stop)))
    if isinstance(error, JobFaultError):
        return Verdict(Ending.FINISH, JobStatus.FAILED, report)
    return Verdict(Ending.RETRY, report=report)


def retry_delay(attempt: int, lease: float) -> float:
    """Seconds until the next try: 5, 10, 20, …, at most a lease."""
    return min(lease, _FIRST_DELAY * 2.0 ** max(0, attempt - 1))


def build(
    job: Job, config: AgentConfig, append: Append, stop: Stop, *, get: Checkout = checkout, join: Join | None = None
) -> Verdict:
    """Build a job. Never raises for what can happen to a build; its workspace is gone afterwards.

    `join` asks the ledger for the pipeline's concurrency group; without it the pipeline runs without asking.
    """
    done: Result | None = None
    error: AgentError | None = None
    dropped = 0
    try:
        with workspace(config.workspace, job.id) as room:
            log = JobLog(room.spool, append, earlier=job.log_bytes)
            try:
                done = _attempt(job, config, room, log, stop, get, join)
            except AgentError as problem:
                error = problem
                _explain(problem, log)
            dropped = log.close(_HASTY_LOG_PATIENCE if stop.reason else _LOG_PATIENCE)
    except InfrastructureError as problem:
        error = error or problem
    verdict = decide(stop.reason, done, error)
    return Verdict(verdict.ending, verdict.status, msgspec.structs.replace(verdict.report, log_dropped=dropped))


def _attempt(
    job: Job, config: AgentConfig, room: Workspace, log: JobLog, stop: Stop, get: Checkout, join: Join | None
) -> Result:
    output = Output(log)
    output.begin("checkout")
    output.say(f"{job.spec.repo} {job.spec.ref} {job.spec.sha[:12]} on {config.name}, attempt {job.attempt}")
    sha = get(job.spec, room.checkout, config, stop)
    stop.check()
    place = _place(job, sha, config, room, output, stop)
    from raibid.worker.pipeline_run import run_checkout

    pipeline, result = run_checkout(replace(place, join=join), log, stop)
    if pipeline is None or not pipeline.artifacts or stop.reason:
        return result
    from raibid.worker.artifacts import keep

    output.begin("artifacts")
    store, prefix = _store(config.store, output), f"artifacts/{job.id}/{job.attempt}"
    deadline = max(config.deadline, time.monotonic() + _LAST_SECONDS)
    kept = keep(room.checkout, pipeline.artifacts, store, prefix, stop, deadline)
    output.say(*(f"{a.path} {a.size} bytes sha256:{a.sha256}" for a in kept.artifacts), *kept.notes)
    report = msgspec.structs.replace(result.report, artifacts=kept.artifacts)
    return type(result)(result.outcome, report)


def _place(job: Job, sha: str, config: AgentConfig, room: Workspace, output: Output, stop: Stop) -> Place:
    from raibid.worker.pipeline_run import Place

    passed = config.fork_pass_env if job.spec.fork else config.pass_env
    base = agent_variables(config.environment, home=room.home, tmp=room.tmp, passed=passed)
    env = {**base, **job_variables(job, sha, config.name)}
    place = Place(checkout=room.checkout, env=env, spec=job.spec, config=config)
    if not job.spec.fork:
        return place
    from raibid.worker.fork import take_in

    stranger = take_in(job.spec, room, config, env, output, stop)
    return replace(place, env=stranger.env, base=stranger.base, fence=stranger.fence)


def _store(url: str, output: Output) -> Put | None:
    if not url:
        return None
    from raibid.store import StoreError, open_store

    try:
        return open_store(url).put
    except StoreError as error:
        output.say(f"no store: {error}")
        return None


def _explain(problem: AgentError, log: JobLog) -> None:
    """The reason as the log's last line, if the disk still takes it."""
    if isinstance(problem, InterruptedBuildError | NoLongerOursError):
        return
    try:
        Output(log).say(str(problem), "^^^ +++")
    except InfrastructureError as full:
        _log.warning("%s; the log cannot say so: %s", problem, full)
