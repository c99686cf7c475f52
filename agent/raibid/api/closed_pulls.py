"""A pull request that is over, merged or not: nobody waits for its builds, until it is opened again.

Owns: which jobs are cancelled then, and which is wanted again.
Leaves to others: cancelling, starting anew (`raibid.ledger`), hearing of it (`webhooks.py`), finding out that nobody
told of it (`look.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from raibid.ledger import Enqueued, Ledger
from raibid.model.job import PENDING, Job, JobStatus

_UNFINISHED: Final = PENDING | {JobStatus.RUNNING}
_BY: Final = "the closing of its pull request"


def unfinished(ledger: Ledger, forge: str, repo: str, refs: Collection[str]) -> list[Job]:
    """Unfinished jobs of pull requests. Found by their refs, for not every one of them is in a group.

    Raises:
        LedgerError: Redis failed.
    """
    found: list[Job] = []
    cursor = ""
    only = next(iter(refs)) if len(refs) == 1 else ""  # no other job's record is read then
    while True:
        page = ledger.records.page(status=_UNFINISHED, repo=repo, branch=only, cursor=cursor)
        found += [job for job in page.jobs if job.spec.forge == forge and job.spec.ref in refs]
        cursor = page.cursor
        if not cursor:
            return found


def call_off(ledger: Ledger, jobs: Iterable[Job]) -> list[str]:
    """Cancel the jobs of a pull request that is closed; their ids.

    Raises:
        LedgerError: Redis failed; the same again does the rest.
    """
    cancelled: list[str] = []
    for job in jobs:
        ledger.cancel(job.id, _BY)
        cancelled.append(job.id)
    return cancelled


def was_called_off(job: Job) -> bool:
    """Whether the closing cancelled it, as far as the record tells: of one that ran its agent wrote the reason."""
    return job.status is JobStatus.CANCELLED and job.reason == f"cancelled by {_BY}"


def again(ledger: Ledger, made: Enqueued, dedupe: str, *, hold: bool) -> Enqueued:
    """The job of a pull request that was opened again: a new one, if that of its commit was called off.

    Raises:
        LedgerError: Redis failed.
    """
    [newest] = ledger.heads.jobs([dedupe])
    if newest is None or newest.status is not JobStatus.CANCELLED:
        return made
    return ledger.retry(newest.id, hold=hold)
