"""`raibid cron`: what is built when, without anybody's push."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from raibid.cli.client import Client
from raibid.cli.output import PLAIN, Output, line, table


class _Scheduled(msgspec.Struct, frozen=True):
    repo: str
    branch: str
    schedule: str
    timezone: str
    last: float = 0.0
    job: str = ""
    next: tuple[float, ...] = ()
    trouble: str = ""


class _Crontab(msgspec.Struct, frozen=True):
    schedules: tuple[_Scheduled, ...]


def cron(*, output: Output = PLAIN) -> None:
    """The enrolment file's schedules: the next time of each, soonest first, and what the latest one became.

    For example:
      raibid cron
      raibid cron --json | jq '.schedules[].next'
    """
    client = Client.from_env()
    if output.json:
        output.emit(client.get("/cron", dict[str, Any]))
        return
    found = client.get("/cron", _Crontab).schedules
    if not found:
        line("nothing is scheduled: the enrolment file has no `cron`")
        return
    rows = [
        (one.repo, one.branch, one.schedule, _when(next(iter(one.next), 0.0), one), _when(one.last, one), one.job)
        for one in found
    ]
    table(("repository", "branch", "schedule", "next", "last", "job"), rows)
    for one in found:
        if one.trouble:
            line(f"{one.repo} {one.branch}: {one.trouble}", "yellow")


def _when(moment: float, of: _Scheduled) -> str:
    """In the schedule's own time zone: that is how it was written down. Empty for never."""
    return datetime.fromtimestamp(moment, ZoneInfo(of.timezone)).strftime("%a %d %b %H:%M %Z") if moment else ""
