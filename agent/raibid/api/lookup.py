"""Finding one job: in Redis, or else in the archive."""

from __future__ import annotations

from dataclasses import dataclass

from raibid.api.errors import not_found
from raibid.api.parts import Parts
from raibid.model.job import Job
from raibid.model.job_id import is_job_id


@dataclass(frozen=True)
class Found:
    """A job, and whether only the archive still has it."""

    job: Job
    archived: bool


def find_job(parts: Parts, job_id: str) -> Found | None:
    """The job, or None. Blocks."""
    if not is_job_id(job_id):
        return None
    if job := parts.ledger.records.get(job_id):
        return Found(job, archived=False)
    if job := parts.archive.job(job_id):
        return Found(job, archived=True)
    return None


def existing(parts: Parts, job_id: str) -> Found:
    """The job. Raises ApiError 404."""
    found = find_job(parts, job_id)
    if found is None:
        raise not_found(job_id)
    return found
