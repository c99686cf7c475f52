"""The ledger's client: one method per atomic step.

Owns: arguments in, frozen values out, redis errors translated.
Leaves to others: the steps themselves (`*.lua`), records, logs and words about pods (files of these names).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import msgspec
import redis

from raibid.contract import STREAM, Env, Keys
from raibid.ledger.connection import Timing, command_client, password_from
from raibid.ledger.crons import Crons
from raibid.ledger.errors import JobNotFoundError, LedgerError, NotTerminalError, StaleTokenError, translated
from raibid.ledger.events import Events
from raibid.ledger.heads import Heads
from raibid.ledger.levers import Levers
from raibid.ledger.logs import Logs
from raibid.ledger.mirrors import Mirrors
from raibid.ledger.pods import Pods
from raibid.ledger.records import Records, job_from_hash, text
from raibid.ledger.results import Beat, Claim, Depth, Enqueued, Joined, NewJob, Why
from raibid.ledger.scripts import Scripts
from raibid.ledger.work_stream import WorkStream
from raibid.model.job import Job, JobStatus, Report
from raibid.model.job_id import new_job_id
from raibid.model.pod import PodEnding, PodVerdict

_OUTCOMES: Final = frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED})


class Ledger(Levers):
    """The durable job ledger. Thread-safe; one instance per process is enough.

    Every method raises LedgerUnavailableError when Redis does not answer, LedgerFullError when it refuses for
    memory. All steps may be repeated after a lost reply: the second call gives the first one's answer.
    """

    def __init__(self, client: redis.Redis, *, stream: str = STREAM, timing: Timing | None = None) -> None:
        self.keys: Final = Keys(stream)
        self.timing: Final = timing or Timing()
        self.client: Final = client
        self._run = Scripts(client, self.keys)
        self._work = WorkStream(client, self.keys)
        self.records: Final = Records(client, self.keys, self._run)
        self.logs: Final = Logs(client, self.keys, self._run)
        self.events: Final = Events(client, self.keys)
        self.heads: Final = Heads(client, self.keys, self._run)
        self.crons: Final = Crons(client, self.keys)
        self.mirrors: Final = Mirrors(client, self.keys, self._run)
        self._pods = Pods(self._run)

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        stream: str = STREAM,
        timing: Timing | None = None,
    ) -> Self:
        """A ledger on the Redis at `redis://host:port/db`; opens no connection yet."""
        client = command_client(url, username, password)
        return cls(client, stream=stream, timing=timing)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """A ledger as the environment describes it (`contract.Env`); the password from a file where there is one."""
        return cls.connect(
            env.get(Env.REDIS_URL, "redis://127.0.0.1:6379/0"),
            username=env.get(Env.REDIS_USERNAME),
            password=password_from(env),
            stream=env.get(Env.STREAM, STREAM),
            timing=Timing.from_env(env),
        )

    def close(self) -> None:
        """Close all connections."""
        self.client.close()
        self._work.close()

    def ping(self) -> None:
        """Return when Redis answers, else raise LedgerUnavailableError."""
        with translated():
            self.client.ping()

    # --- jobs in ---------------------------------------------------------------------------------------

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Take in jobs, all in one atomic step; one answer each, in order. A known dedupe key gives its job back.

        A job of a group (`JobSpec.group`) supersedes the group's older one, or is superseded if it comes too late.
        """
        args: list[str | bytes | int] = []
        for job in jobs:
            spec = job.spec
            args += [
                job.id, job.dedupe, msgspec.json.encode(spec), spec.repo, spec.branch, spec.resource,
                int(spec.priority), job.max_attempts, int(job.hold),
                spec.group, spec.sha, spec.before, int(job.seen * 1_000_000),
                f"{spec.forge}|{spec.repo}" if job.told else "", spec.ref,
            ]  # fmt: skip
        with translated():
            replies = self._run("enqueue", *args)
        return [Enqueued(text(i), bool(created), JobStatus(text(status))) for i, created, status in replies]

    def retry(self, job_id: str, *, hold: bool = False, dead_letter: str = "") -> Enqueued:
        """A new job like an ended one. Twice at the same time makes one; again later makes another.

        Raises:
            JobNotFoundError: no record. NotTerminalError: the job has not ended.
        """
        retries = self._existing(job_id).retries
        with translated():
            reply = self._run("retry", job_id, new_job_id(), retries, int(hold), dead_letter)
        if text(reply[0]) == "missing":
            raise JobNotFoundError(f"no job {job_id} in the ledger")
        if text(reply[0]) == "not-terminal":
            raise NotTerminalError(f"job {job_id} is {text(reply[1])}: only an ended job can be retried")
        return Enqueued(text(reply[0]), bool(reply[1]), JobStatus(text(reply[2])))

    # --- the agent's steps -----------------------------------------------------------------------------

    def claim(self, owner: str, token: str | None = None) -> Claim | None:
        """A lease on the next job, or None. `owner` is the consumer's name, unique per agent process.

        Repeating a call with the same owner and token returns the same job (a lost reply costs nothing).
        """
        token = token or secrets.token_hex(16)
        with translated():
            reply = self._run("claim", owner, token, int(self.timing.lease * 1000))
        record = _pairs(reply)
        return Claim(job=job_from_hash(text(record[b"id"]), record), token=token) if record else None

    def wait(self, after: str, timeout: float) -> str:
        """Block until the work stream has an entry newer than `after`, at most `timeout` seconds.

        Returns the newest id seen, for the next call. A hint that saves polling, never a promise. Start with
        `newest()` taken before the claim that found nothing.
        """
        return self._work.wait(after, timeout)

    def newest(self) -> str:
        """Id of the latest entry the work stream ever had."""
        return self._work.newest()

    def beat(self, job_id: str, token: str) -> Beat:
        """Renew the lease."""
        with translated():
            return Beat(text(self._run("beat", job_id, token)))

    def join(self, job_id: str, token: str, group: str, *, supersede: bool = False) -> Joined:
        """Join a concurrency group of the job's repository, of which one job runs at a time.

        With `supersede` the older jobs of the group are called off. Unless the answer is OK the job is no longer this
        agent's: it waits for its group, or has ended.

        Raises:
            StaleTokenError: another agent has the job, or it has ended.
        """
        with translated():
            reply = self._run("join", job_id, token, group, int(supersede))
        return Joined(self._fence(reply, job_id))

    def finish(self, job_id: str, token: str, outcome: JobStatus, report: Report | None = None) -> None:
        """End the job as success, failed or cancelled, and free its place in the same step.

        Raises:
            StaleTokenError: another agent has the job, or it has ended otherwise.
        """
        if outcome not in _OUTCOMES:
            raise ValueError(f"{outcome} is not an outcome of a build")
        report = report or Report()
        with translated():
            reply = self._run("finish", job_id, token, str(outcome), msgspec.json.encode(report), report.reason)
        self._fence(reply, job_id)

    def release(self, job_id: str, token: str, reason: str, *, refund: bool, delay: float = 0.0) -> JobStatus:
        """Hand the job back: SIGTERM (`refund`: the attempt does not count) or an infrastructure failure.

        With `delay` the next agent gets it that many seconds later (at most a lease). Returns where the job went:
        queued, waiting (paused or over a limit) or cancelled.

        Raises:
            StaleTokenError: another agent has the job, or it has ended.
        """
        idle = 86_400_000 if delay <= 0 else max(0, int((self.timing.lease - delay) * 1000))
        with translated():
            reply = self._run("release", job_id, token, reason, int(refund), idle)
        return JobStatus(self._fence(reply, job_id))

    # --- the controller's steps ------------------------------------------------------------------------

    def pod_ended(self, ending: PodEnding, verdict: PodVerdict) -> JobStatus | None:
        """Record how an agent's pod ended, and let its job fail or go back accordingly; once per pod.

        Not for pods that ended well. Returns the job's status after it; None: that pod had no job.
        """
        return self._pods.ended(ending, verdict)

    def pods_stuck(self, reasons: Mapping[str, str]) -> int:
        """Note which agents cannot start and why (one line each): the whole present truth; empty clears.

        Queued jobs get the note, so repeat it every minute or so while there is one: it expires
        (`contract.STUCK_SECONDS`), and jobs come. How many jobs were noted for the first time.
        """
        return self._pods.stuck(reasons)

    def wanted(self) -> int:
        """How many agents there should be: XLEN of the work stream, as KEDA reads it."""
        return self._work.length()

    def held(self, limit: int = 100) -> list[str]:
        """Ids of held jobs, the ones that have waited longest first."""
        return self.records.held(limit)

    # --- telling the forge -----------------------------------------------------------------------------

    def untold(self, limit: int = 100) -> list[str]:
        """Ids of jobs whose status changed since the forge was told, in no order."""
        return self.records.untold(limit)

    def told(self, job_id: str, job: Job | None) -> bool:
        """Note that the forge knows the job as it was read (None: no record). False: it changed and stays untold."""
        shown = (str(job.status), job.attempt, job.owner, job.reason, job.retries) if job else ("", 0, "", "", 0)
        with translated():
            return bool(self._run("told", job_id, *shown))

    # --- care and views --------------------------------------------------------------------------------

    def setup(self) -> None:
        """Create what must exist (the group, at 0). Idempotent."""
        self.tick()

    def tick(self) -> dict[str, int]:
        """Repair and admit: lost leases of jobs not to be run again, orphans, dead consumers. Counts of each."""
        with translated():
            reply = self._run("tick", int(self.timing.lease * 1000))
        return {text(k): int(v) for k, v in _pairs(reply).items()}

    def depth(self) -> Depth:
        """An atomic look at the queue."""
        with translated():
            return msgspec.json.decode(self._run("depth"), type=Depth)

    def why(self, job_id: str) -> Why:
        """Why the job is where it is. Raises JobNotFoundError."""
        with translated():
            reply = self._run("why", job_id)
        if reply is None:
            raise JobNotFoundError(f"no job {job_id} in the ledger")
        return msgspec.json.decode(reply, type=Why)

    # ---------------------------------------------------------------------------------------------------

    def _existing(self, job_id: str) -> Job:
        job = self.records.get(job_id)
        if job is None:
            raise JobNotFoundError(f"no job {job_id} in the ledger")
        return job

    @staticmethod
    def _fence(reply: Any, job_id: str) -> str:
        answer = text(reply)
        if answer == "stale":
            raise StaleTokenError(f"job {job_id} is no longer this agent's")
        return answer


def _pairs(reply: Any) -> dict[bytes, Any]:
    if reply is None:
        return {}
    if not isinstance(reply, list):
        raise LedgerError(f"unexpected reply {reply!r}")
    return dict(zip(reply[::2], reply[1::2], strict=True))
