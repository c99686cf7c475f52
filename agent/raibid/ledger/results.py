"""What goes into the ledger's calls and comes out of them: frozen values, no Redis types."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from raibid.contract import MAX_ATTEMPTS
from raibid.model.job import Job, JobSpec, JobStatus
from raibid.model.job_id import new_job_id
from raibid.model.pod import PodEnding, stuck_note


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to enqueue. `dedupe` is the idempotency key: the same key gives the same job back."""

    spec: JobSpec
    dedupe: str
    id: str = msgspec.field(default_factory=new_job_id)
    hold: bool = False  #: needs a person's approval
    max_attempts: int = MAX_ATTEMPTS
    seen: float = 0.0
    """When the forge was asked for the ref's commit (Unix seconds); 0: it told by itself. So the ledger can tell a
    listing that is behind its own news from one that knows better, and builds a commit that was superseded wrongly."""
    told: bool = False
    """Whether its forge told by itself that the ref is at this commit: the reconciler's memory has it at once."""


class Enqueued(msgspec.Struct, frozen=True):
    """The answer to one enqueue: the id (an older one if the key was known) and where the job stands."""

    id: str
    created: bool
    status: JobStatus


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A lease on a job. The token fences: every later word about the job must carry it."""

    job: Job
    token: str


class Beat(StrEnum):
    """The ledger's answer to a heartbeat."""

    OK = "ok"
    CANCEL = "cancel"  #: somebody cancelled the job: kill the build, finish as cancelled
    STALE = "stale"  #: the lease is lost: kill the build, exit, write nothing


class Joined(StrEnum):
    """The ledger's answer to joining a concurrency group."""

    OK = "ok"
    WAIT = "wait"  #: another job has the group: this one waits outside of the stream, and the attempt does not count
    CANCELLED = "cancelled"  #: a newer job of the group supersedes this one


class LogChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a job's log. `id` is the stream's id: resume after it."""

    id: str
    data: bytes = b""  #: valid UTF-8, secrets masked, ends anywhere
    step: str = ""
    attempt: int = 0
    end: str = ""  #: set on the last entry: the job's final status


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """An atomic look at the queue."""

    stream: int  #: XLEN: agents wanted
    claimed: int  #: of those, running
    pending: int  #: size of the pending-entries list
    waiting: int
    held: int
    dead: int
    window: int
    paused: bool
    repos: dict[str, int]  #: repository → its jobs in the stream
    claimed_repos: dict[str, int]
    resources: dict[str, int]
    claimed_resources: dict[str, int]
    limits: dict[str, int]  #: `repo:<name>`, `repo:*`, `resource:<name>`, `resource:*` → jobs at once
    admit_errors: int  #: how often admit has failed since the ledger began; alert when it grows


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job is where it is: the facts; `sentence` for people."""

    id: str
    status: JobStatus
    paused: bool = False
    ahead: int = 0  #: waiting jobs with a better rank by class and age
    window: int = 0
    stream: int = 0
    blocked_by: str = ""  #: "", "repo", "resource" or "group"
    group: str = ""  #: the concurrency group that it waits for
    superseded_by: str = ""  #: of a running job: the job that made it worthless; its agent hears it at its next beat
    limit: int = 0
    holders: tuple[str, ...] = ()  #: the jobs that use up that limit
    attempt: int = 0
    max_attempts: int = 0
    owner: str = ""
    lease_idle: float = 0.0  #: seconds since the agent's last beat
    eta: float | None = None  #: seconds until it is likely to start; None: no build was measured yet
    reason: str = ""
    ending: PodEnding | None = None  #: how an earlier agent of the job ended, if one ended badly
    stuck: dict[str, str] = {}  #: agents that cannot start → why; of jobs that wait for one

    @property
    def sentence(self) -> str:
        """One line for people."""
        return explain(self)


class Page(msgspec.Struct, frozen=True):
    """A page of jobs, newest first; `cursor` gives the next one, empty at the end."""

    jobs: list[Job]
    cursor: str


def explain(why: Why) -> str:
    """The answer of `GET /jobs/{id}/why` as a sentence."""
    if why.status is JobStatus.HELD:
        return f"held: waits for approval: {why.reason}" if why.reason else "held: waits for approval"
    if why.status is JobStatus.RUNNING:
        beat = f"last beat {why.lease_idle:.0f} s ago"
        superseded = f"superseded by {why.superseded_by}: told to stop" if why.superseded_by else ""
        running = f"running on {why.owner}, attempt {why.attempt} of {why.max_attempts}, {beat}"
        return _joined(running, superseded, _before(why))
    if why.status is JobStatus.QUEUED:
        retry = f" (attempt {why.attempt + 1} of {why.max_attempts})" if why.attempt else ""
        return _joined(f"next: the first free agent takes it{retry}", stuck_note(why.stuck), _before(why))
    if why.status.terminal:
        return f"{why.status}: {why.reason}" if why.reason else str(why.status)
    parts = [f"{_ordinal(why.ahead + 1)} in queue"]
    if why.paused:
        parts.append("the queue is paused")
    if why.blocked_by == "group":
        parts.append(f"concurrency group {why.group} is taken by {', '.join(why.holders)}")
    elif why.blocked_by:
        what = "repository" if why.blocked_by == "repo" else "resource"
        parts.append(f"{what} limit {why.limit} reached by {', '.join(why.holders)}")
    elif why.stream >= why.window and not why.paused:
        parts.append(f"all {why.window} places are taken")
    if why.eta is not None:
        parts.append(f"about {why.eta:.0f} s")
    return _joined(*parts, stuck_note(why.stuck), _before(why))


def _before(why: Why) -> str:
    return f"before that, {why.ending.sentence}" if why.ending else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
