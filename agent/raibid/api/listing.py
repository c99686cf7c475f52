"""Lists of jobs, newest first: Redis' and the archive's as one.

Owns: filters, paging through the archive day by day, merging the two.
Leaves to others: paging through Redis (`raibid.ledger.records`), the archive's layout (`archive.py`).

A job that was created within the retention time is still in Redis, whenever it ended. So the archive is only asked
about older ones, and a usual first page costs it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from raibid.api.archive import Archive, folder
from raibid.contract import RETENTION_SECONDS
from raibid.ledger import Ledger, Page
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import created_at, lowest_id

_MOST_READ: Final = 200
"""Archived records read for one page: with filters a page may be short, but it has a cursor."""
_MOST_DAYS: Final = 60
"""Days listed for one page; an empty one still costs a request to S3."""


@dataclass(frozen=True)
class Filters:
    """Which jobs a list shows; empty: all."""

    status: frozenset[JobStatus] = frozenset()
    repo: str = ""
    branch: str = ""

    def allow(self, job: Job) -> bool:
        """Whether the list shows the job."""
        return (
            (not self.status or job.status in self.status)
            and (not self.repo or job.spec.repo == self.repo)
            and (not self.branch or job.spec.branch == self.branch)
        )


def list_jobs(ledger: Ledger, archive: Archive, filters: Filters, *, cursor: str, limit: int, now: datetime) -> Page:
    """A page of jobs; `cursor` is the last page's, empty at the start."""
    recent = ledger.records.page(
        status=filters.status, repo=filters.repo, branch=filters.branch, cursor=cursor, limit=limit
    )
    boundary = lowest_id(now - timedelta(seconds=RETENTION_SECONDS))
    if recent.cursor and recent.cursor >= boundary:
        return recent
    before = min(cursor, boundary) if cursor else boundary
    return merged(recent, archived_page(archive, filters, before=before, down_to=recent.cursor, limit=limit), limit)


def merged(recent: Page, archived: Page, limit: int) -> Page:
    """Two pages that start at the same place as one. Redis' word on a job goes before the archive's.

    What lies below either cursor was not fully looked at by both, so it is left for the next page.
    """
    floor = max(recent.cursor, archived.cursor)
    by_id = {job.id: job for page in (archived, recent) for job in page.jobs}
    jobs = [by_id[i] for i in sorted(by_id, reverse=True) if i >= floor]
    if len(jobs) > limit:
        return Page(jobs[:limit], jobs[limit - 1].id)
    return Page(jobs, floor)


def archived_page(archive: Archive, filters: Filters, *, before: str, down_to: str, limit: int) -> Page:
    """Archived jobs newest first, `down_to` <= id < `before`; the cursor: where the look stopped, empty at the end."""
    oldest = max(archive.oldest_folder(), folder(created_at(down_to)) if down_to else "")
    found: list[Job] = []
    read = 0
    day = created_at(before)
    for _ in range(_MOST_DAYS):
        if not oldest or folder(day) < oldest:
            return Page(found, "")
        for job_id in archive.ids_of_day(day):
            if not down_to <= job_id < before:
                continue
            read += 1
            job = archive.job(job_id)
            if job is not None and filters.allow(job):
                found.append(job)
            if len(found) == limit or read == _MOST_READ:
                return Page(found, job_id)
        day -= timedelta(days=1)
    return Page(found, lowest_id(datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)))
