"""What a forge shows beside a commit: a job's place as a commit status. Pure.

Owns: the four states (both forges have them), the contexts, the words.
Leaves to others: saying it to the forge (`gitea/client.py`, `github/client.py`), when (`raibid.api.telling`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from raibid.forge.wording import duration, job_url
from raibid.model.job import Job, JobSpec, JobStatus

CONTEXT: Final = "raibid"
PULL_REQUEST_CONTEXT: Final = "raibid/pr"
"""A commit that was pushed to a branch and is a pull request's head has two jobs; one context would show either."""
_LONGEST: Final = 140
"""GitHub refuses longer descriptions; Gitea's page cuts them."""


class CommitState(StrEnum):
    """How a forge colours it."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"  #: the commit's fault
    ERROR = "error"  #: not the commit's fault: cancelled, or infrastructure failed


STATES: Final[dict[JobStatus, CommitState]] = {
    JobStatus.HELD: CommitState.PENDING,
    JobStatus.WAITING: CommitState.PENDING,
    JobStatus.QUEUED: CommitState.PENDING,
    JobStatus.RUNNING: CommitState.PENDING,
    JobStatus.SUCCESS: CommitState.SUCCESS,
    JobStatus.FAILED: CommitState.FAILURE,
    JobStatus.CANCELLED: CommitState.ERROR,
    JobStatus.DEAD: CommitState.ERROR,
}


class CommitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A status as both forges take it."""

    state: CommitState
    context: str
    description: str
    target_url: str = ""


def context_of(spec: JobSpec) -> str:
    """Under which name the forge keeps the status of a job's commit."""
    return PULL_REQUEST_CONTEXT if spec.event == "pull_request" else CONTEXT


def status_of(job: Job, public_url: str) -> CommitStatus:
    """What the forge is to show for a job. `public_url`: where people reach the API; empty: no link."""
    words = " ".join(_words(job).split())
    return CommitStatus(
        state=STATES[job.status],
        context=context_of(job.spec),
        description=words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…",
        target_url=job_url(public_url, job.id),
    )


def _words(job: Job) -> str:
    match job.status:
        case JobStatus.HELD:
            return f"waits for approval: {job.spec.brought_by}" if job.spec.fork else "waits for approval"
        case JobStatus.WAITING:
            return _with_reason("waits in the queue", job) + _approval(job)
        case JobStatus.QUEUED:
            return _with_reason("waits for an agent", job) + _approval(job)
        case JobStatus.RUNNING:
            again = f", attempt {job.attempt} of {job.max_attempts}" if job.attempt > 1 else ""
            return f"running on {job.owner}{again}"
        case JobStatus.SUCCESS:
            return f"built in {duration(job.finished - job.started)}"
        case _:
            return _with_reason(str(job.status), job)


def _with_reason(words: str, job: Job) -> str:
    return f"{words}: {job.reason}" if job.reason and job.reason != words else words


def _approval(job: Job) -> str:
    return f", approved by {job.approved_by}" if job.approved_by else ""
