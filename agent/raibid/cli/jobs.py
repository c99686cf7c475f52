"""`raibid jobs`, `show`, `why`: looking at jobs.

Owns: what is shown of a job, in which order.
Leaves to others: HTTP (`client.py`), layout (`output.py`), changing anything (`steer.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from raibid.cli.client import Client
from raibid.cli.findings import describe_findings
from raibid.cli.output import PLAIN, Output, ago, duration, facts, line, table
from raibid.model.job import Job, JobStatus

_SHORT_SHA: Final = 10


class Page(msgspec.Struct, frozen=True):
    """A page of `GET /jobs`."""

    jobs: tuple[Job, ...]
    cursor: str = ""


def jobs(
    *,
    status: Annotated[tuple[JobStatus, ...], Parameter(negative=())] = (),
    repo: str = "",
    branch: str = "",
    limit: int = 25,
    cursor: str = "",
    output: Output = PLAIN,
) -> None:
    """List jobs, newest first.

    For example:
      raibid jobs --status failed --status dead
      raibid jobs --repo acme/anvil --branch main --limit 5
      raibid jobs --json | jq -r '.jobs[].id'

    Parameters
    ----------
    status
        Only jobs with this status; may be given several times.
    repo
        Only jobs of this repository (owner/name).
    branch
        Only jobs of this branch.
    limit
        At most so many.
    cursor
        Go on where the last page ended.
    """
    asked: dict[str, Any] = {"status": [str(s) for s in status], "repo": repo, "branch": branch, "cursor": cursor}
    page = Client.from_env().get("/jobs", Page, {"limit": limit, **{k: v for k, v in asked.items() if v}})
    if output.json:
        output.emit(page)
        return
    if not page.jobs:
        line("no jobs", "dim")
        return
    table(("id", "status", "repository", "branch", "created", "took", "agent"), map(_row, page.jobs), status_column=1)
    if page.cursor:
        output.say(f"more: --cursor {page.cursor}")


def show(job: str, /, *, output: Output = PLAIN) -> None:
    """One job: where it stands, its steps, their tests and remarks; how its agents ended, if one ended badly.

    For example:
      raibid show 0r4d0k3n5q1zj8wb

    Parameters
    ----------
    job
        The job's id.
    """
    record = Client.from_env().get(f"/jobs/{job}", Job)
    if output.json:
        output.emit(record)
    else:
        describe(record)


def why(job: str, /, *, output: Output = PLAIN) -> None:
    """Why a job is where it is: its place in the queue, the limit it waits for, the agent that has it or cannot start.

    For example:
      raibid why 0r4d0k3n5q1zj8wb

    Parameters
    ----------
    job
        The job's id.
    """
    answer = Client.from_env().get(f"/jobs/{job}/why", dict[str, Any])
    if output.json:
        output.emit(answer)
    else:
        line(str(answer.get("sentence", "")))


def describe(job: Job) -> None:
    """A job for people: facts, its steps, what they reported, then its attempts that ended with their pod."""
    spec, report = job.spec, job.report
    facts(
        [
            ("id", job.id),
            ("status", str(job.status)),
            ("reason", job.reason),
            ("waits for", _approval(job)),
            ("approved by", job.approved_by),
            ("repository", spec.repo),
            ("ref", spec.ref),
            ("commit", f"{spec.sha[:_SHORT_SHA]} {spec.message}".strip()),
            ("event", " by ".join(filter(None, (spec.event, spec.author)))),
            ("from", spec.fork),
            ("created", ago(job.created)),
            ("waited", duration(job.started - job.created) if job.started else ""),
            ("took", duration(took(job))),
            ("agent", job.owner),
            ("attempt", f"{job.attempt} of {job.max_attempts}" if job.attempt > 1 else ""),
            ("retry of", job.retry_of),
            ("peak memory", _mebibytes(report.peak_rss) if report else ""),
            ("artifacts", ", ".join(a.path for a in report.artifacts) if report else ""),
        ]
    )
    if report and report.steps:
        line("")
        rows = ((s.name, s.outcome, duration(s.seconds), _mebibytes(s.peak_rss), s.reason) for s in report.steps)
        table(("step", "outcome", "took", "memory", ""), rows, status_column=1)
    if report:
        describe_findings(report)
    if job.pods:
        line("")
        ends = ((str(p.attempt), p.pod, p.node, ago(p.finished), p.cause) for p in job.pods)
        table(("attempt", "agent", "node", "ended", "because"), ends)


def took(job: Job) -> float:
    """Seconds from the agent's start to the job's end; 0 if it has not had both."""
    return job.finished - job.started if job.started and job.finished else 0.0


def _row(job: Job) -> tuple[str, ...]:
    spec = job.spec
    who = job.owner or _approval(job)
    return (job.id, str(job.status), spec.repo, spec.branch, ago(job.created), duration(took(job)), who)


def _approval(job: Job) -> str:
    """What a held job waits for."""
    if job.status is not JobStatus.HELD:
        return ""
    return f"approval of {job.spec.fork}" if job.spec.fork else "approval"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size else ""
