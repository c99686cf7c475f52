"""A job: what was asked (`JobSpec`), what became of it (`Job`), and the one state machine.

Owns: the statuses, the legal transitions, the record's shape.
Leaves to others: when a transition happens (`raibid.ledger`) and what a build does (`raibid.worker`).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from raibid.model.pod import PodEnding
from raibid.model.report import Annotation, Tested


class JobStatus(StrEnum):
    """Where a job stands. Held, waiting and queued are all shown as pending, with the reason."""

    HELD = "held"  #: waits for a person's approval, in no lane
    WAITING = "waiting"  #: in its lane, outside the stream
    QUEUED = "queued"  #: in the stream: an agent may take it now
    RUNNING = "running"  #: an agent holds its lease
    SUCCESS = "success"
    FAILED = "failed"  #: the code failed; never retried by itself
    CANCELLED = "cancelled"
    DEAD = "dead"  #: infrastructure failed as often as it may; kept as a dead letter

    @property
    def terminal(self) -> bool:
        """Whether nothing can happen to the job any more."""
        return self in TERMINAL


TERMINAL: Final = frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.DEAD})
PENDING: Final = frozenset({JobStatus.HELD, JobStatus.WAITING, JobStatus.QUEUED})


class JobEvent(StrEnum):
    """What can happen to a job. The ledger's scripts write these names into the event stream."""

    CREATE = "create"
    APPROVE = "approve"
    ADMIT = "admit"  #: lane → stream
    WITHDRAW = "withdraw"  #: stream → lane: paused, or over a limit or the window
    CLAIM = "claim"  #: also of a running job whose lease was lost: a new start
    RELEASE = "release"  #: the agent hands the job back, or its pod has ended
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    BURY = "bury"


_S = JobStatus
TRANSITIONS: Final[dict[JobEvent, dict[JobStatus, JobStatus]]] = {
    JobEvent.APPROVE: {_S.HELD: _S.WAITING},
    JobEvent.ADMIT: {_S.WAITING: _S.QUEUED},
    JobEvent.WITHDRAW: {_S.QUEUED: _S.WAITING, _S.RUNNING: _S.WAITING},
    JobEvent.CLAIM: {_S.QUEUED: _S.RUNNING, _S.RUNNING: _S.RUNNING},
    JobEvent.RELEASE: {_S.RUNNING: _S.QUEUED},
    JobEvent.SUCCEED: {_S.RUNNING: _S.SUCCESS},
    # From queued or waiting: its agent handed it back, then its pod turned out to have ended by the job's own doing.
    JobEvent.FAIL: dict.fromkeys((_S.RUNNING, _S.QUEUED, _S.WAITING), _S.FAILED),
    JobEvent.CANCEL: dict.fromkeys((_S.HELD, _S.WAITING, _S.QUEUED, _S.RUNNING), _S.CANCELLED),
    JobEvent.BURY: {_S.QUEUED: _S.DEAD, _S.RUNNING: _S.DEAD},
}


class IllegalTransitionError(ValueError):
    """An event that the job's status does not allow."""


def next_status(status: JobStatus, event: JobEvent) -> JobStatus:
    """The status after an event.

    Raises:
        IllegalTransitionError: the status does not allow the event.
    """
    try:
        return TRANSITIONS[event][status]
    except KeyError:
        raise IllegalTransitionError(f"a job that is {status} cannot {event}") from None


class Priority(IntEnum):
    """Priority classes. Waiting lifts a job class by class up to HIGH; URGENT is a band of its own."""

    URGENT = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked: immutable, versioned, JSON on the wire. All text; sizes are bounded at the edge."""

    v: int = 1
    repo: str  #: `owner/name`; no `|`
    clone_url: str  #: never with credentials
    ref: str  #: full ref: `refs/heads/main`
    sha: str = ""  #: commit to build; empty: whatever the ref points to at checkout
    event: str = "push"  #: push, pull_request, manual, cron, …
    forge: str = ""  #: gitea, github, or empty for a manual job
    before: str = ""
    message: str = ""  #: first line of the head commit
    author: str = ""
    default_branch: str = ""
    changed: tuple[str, ...] | None = None  #: files the push touched; None: not known
    priority: Priority = Priority.NORMAL
    resource: str = ""  #: counted resource the job needs, such as `gpu`
    params: dict[str, str] = {}  #: given to the steps as environment variables
    link: str = ""  #: the commit or pull request on the forge
    fork: str = ""  #: where a pull request comes from, if no branch of `repo`: code of people who may not push there
    base: str = ""  #: of a pull request: the branch it wants to go into
    sender: str = ""  #: of a pull request: who brought this commit, its author or another; empty: not known
    group: str = ""  #: a newer job of the same group supersedes this one; empty: none does
    found_by: str = ""  #: reconciler, cron; empty: its webhook or a person brought it

    @property
    def branch(self) -> str:
        """Short name of the ref: `main` for `refs/heads/main`."""
        for prefix in ("refs/heads/", "refs/tags/"):
            if self.ref.startswith(prefix):
                return self.ref[len(prefix) :]
        return self.ref

    @property
    def brought_by(self) -> str:
        """Words for code that a person has to look at first; empty: whoever may push brought it."""
        return f"a pull request from {self.fork}" if self.fork else ""

    @property
    def lane(self) -> str:
        """The lane the job waits in; all jobs of one lane are admissible or not together."""
        return f"{self.repo}|{self.resource}"


class StepReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one step ended."""

    name: str
    outcome: str  #: success, failed, skipped, timeout, cancelled
    seconds: float = 0.0
    exit_code: int | None = None  #: negative: killed by that signal
    peak_rss: int = 0  #: bytes, largest process of the step; 0: not known, below the agent's own size
    reason: str = ""


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file kept from the build; `key` finds it in the store."""

    path: str
    key: str
    size: int
    sha256: str


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the agent says of a build when it ends."""

    reason: str = ""  #: one line for people
    failed_step: str = ""
    exit_code: int | None = None
    seconds: float = 0.0
    peak_rss: int = 0
    steps: tuple[StepReport, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    log_dropped: int = 0  #: bytes of log over the cap or lost to a full ledger
    tests: Tested | None = None  #: None: no test report was written
    annotations: tuple[Annotation, ...] = ()  #: errors first, then by place
    annotations_left_out: int = 0  #: more than a record may hold

    @property
    def counts(self) -> Report:
        """The same with tests and annotations as numbers: small, and without a word of the code's."""
        return msgspec.structs.replace(
            self,
            tests=self.tests.counts if self.tests else None,
            annotations=(),
            annotations_left_out=len(self.annotations) + self.annotations_left_out,
        )


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job's record as everybody but the ledger's scripts sees it. Times are Unix seconds, 0 for not yet.

    The fencing token is not here: only the agent that claimed the job knows it.
    """

    id: str
    spec: JobSpec
    status: JobStatus
    attempt: int = 0
    max_attempts: int = 0
    refunds: int = 0
    owner: str = ""  #: the agent that has it, or had it last
    cancel_requested: bool = False
    superseded_by: str = ""
    """The newer job of its group that calls it off; one that ended before it heard keeps its end."""
    approved_by: str = ""
    reason: str = ""  #: why it ended, or why it went back
    retry_of: str = ""
    retries: int = 0  #: how many jobs were made from this one
    created: float = 0.0
    admitted: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    log_bytes: int = 0
    report: Report | None = None
    pods: tuple[PodEnding, ...] = ()  #: how agents of its attempts ended, newest last; those that ended badly

    @property
    def brief(self) -> Job:
        """The record with its report in numbers."""
        return msgspec.structs.replace(self, report=self.report.counts) if self.report else self
