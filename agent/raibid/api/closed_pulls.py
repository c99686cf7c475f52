"""A pull request that is over, merged or not: nobody waits for its builds, until it is opened again.

Owns: which jobs are cancelled then, and which is wanted again.
Leaves to others: cancelling, starting anew (`raibid.ledger`), telling the event (`raibid.forge`).
"""

from __future__ import annotations

from typing import Final

from raibid.ledger import Enqueued, Ledger
from raibid.model.job import PENDING, JobStatus
from raibid.model.pull_request_event import PullRequestClosed

_UNFINISHED: Final = PENDING | {JobStatus.RUNNING}


def call_off(ledger: Ledger, closed: PullRequestClosed) -> list[str]:
    """Cancel its unfinished jobs; their ids. Found by its ref, for not every one of them is in a group.

    Raises:
        LedgerError: Redis failed; the same delivery again does the rest.
    """
    cancelled: list[str] = []
    cursor = ""
    while True:
        page = ledger.records.page(status=_UNFINISHED, repo=closed.repo, branch=closed.ref, cursor=cursor)
        for job in (job for job in page.jobs if job.spec.forge == closed.forge):
            ledger.cancel(job.id, "the closing of its pull request")
            cancelled.append(job.id)
        cursor = page.cursor
        if not cursor:
            return cancelled


def again(ledger: Ledger, made: Enqueued, dedupe: str, *, hold: bool) -> Enqueued:
    """The job of a pull request that was opened again: a new one, if that of its commit was called off.

    Raises:
        LedgerError: Redis failed.
    """
    [newest] = ledger.heads.jobs([dedupe])
    if newest is None or newest.status is not JobStatus.CANCELLED:
        return made
    return ledger.retry(newest.id, hold=hold)
