"""The decision what a scheduled time becomes: a job. Pure.

Owns: which schedules there are, the job, its dedupe key.
Leaves to others: the times (`schedule.py`), where a repository is found (`raibid.api.cron`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from raibid.forge.enrolment import Enrolment, RepositoryRule
from raibid.forge.intake import Build, must_be_approved
from raibid.forge.schedule import Schedule
from raibid.model.job import JobSpec

FOUND_BY: Final = "cron"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a branch is found."""

    clone_url: str
    forge: str = ""
    sha: str = ""  #: what the branch points to; empty: whatever it does at checkout
    default_branch: str = ""
    link: str = ""


def schedules(enrolment: Enrolment) -> Sequence[Schedule]:
    """All of them, in the file's order."""
    return [Schedule(repo, rule) for repo, own in enrolment.repositories.items() for rule in own.cron]


def build_of(schedule: Schedule, moment: float, origin: Origin, enrolment: Enrolment) -> Build:
    """The job of a scheduled time. Its dedupe key has the minute: however often it is enqueued, it is one job."""
    own, rule = enrolment.rule(schedule.repo) or RepositoryRule(), schedule.rule
    minute = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%MZ")
    spec = JobSpec(
        repo=schedule.repo,
        clone_url=origin.clone_url,
        ref=f"refs/heads/{rule.branch}",
        sha=origin.sha,
        event="cron",
        forge=origin.forge,
        message=f"scheduled for {minute} ({rule.schedule})",
        default_branch=origin.default_branch,
        priority=own.priority_class,
        resource=own.resource,
        params=dict(rule.params),
        link=origin.link,
        found_by=FOUND_BY,
    )
    return Build(spec, f"cron|{schedule.key}|{minute}", must_be_approved(spec, enrolment))
