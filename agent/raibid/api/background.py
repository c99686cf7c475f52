"""What the API does by itself: tell the ledger the limits, repair and admit, archive ended jobs, tell the forges.

Owns: the rhythm, and that a failure never ends it.
Leaves to others: the repair (`Ledger.tick`), the archive's layout (`archive.py`), telling the forges
(`telling.py`) and people (`notifications.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Final

import structlog

from raibid.api.archive import Archive
from raibid.api.parts import Parts
from raibid.api.settings import Settings
from raibid.ledger import Ledger, LedgerError, LedgerUnavailableError, LogChunk
from raibid.model.job import Job
from raibid.store import StoreError

_log: Final = structlog.get_logger("raibid.api")
_BATCH: Final = 100


@dataclass(frozen=True)
class Step:
    """Something that is done again and again."""

    name: str
    act: Callable[[Parts], object]
    every: float = 0.0
    """Seconds from the end of one to the next; 0: a tick, as after a failure."""
    until_it_works: bool = False


async def run(parts: Parts) -> None:
    """Work until cancelled. A step in progress is finished first by its thread."""
    steps = _steps(parts.settings)
    # A thread for each of them: a forge that hangs holds up neither another step nor a request, which asyncio's own
    # threads (five on one core) serve.
    threads = ThreadPoolExecutor(len(steps), thread_name_prefix="background")
    try:
        await asyncio.gather(*(_repeat(parts, step, threads) for step in steps))
    finally:
        await asyncio.to_thread(threads.shutdown)


def _steps(settings: Settings) -> Sequence[Step]:
    return (
        Step("limits", apply_limits, until_it_works=True),
        Step("tick", lambda parts: parts.ledger.tick()),
        Step("archiver", archive_ended),
        Step("statuses", tell_forges, every=settings.status_seconds),
        Step("notifications", notify),
        Step("reconciler", reconcile, every=settings.reconcile_seconds),
        Step("cron", lambda parts: parts.cron.round()),
        Step("mirrors", keep_mirrors, every=1.0),
        Step("approvals", approve_held, every=settings.status_seconds),
    )


async def _repeat(parts: Parts, step: Step, threads: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    while True:
        pause = parts.settings.tick_seconds
        try:
            await loop.run_in_executor(threads, step.act, parts)
            if step.until_it_works:
                return
            pause = step.every or pause
        except (LedgerError, StoreError) as error:
            _log.warning("background step failed; it will be repeated", step=step.name, error=str(error))
            parts.metrics.system_error(step.name)
        except Exception:  # noqa: BLE001 - a bug in one round must not stop the repair of the queue for good
            _log.exception("background step failed; it will be repeated", step=step.name)
            parts.metrics.system_error(step.name)
        await asyncio.sleep(pause)


def apply_limits(parts: Parts) -> None:
    """Tell the ledger the enrolment file's limits, and how many agents there may be."""
    if parts.settings.window is not None:
        parts.ledger.set_window(parts.settings.window)
    for repository, limit in parts.enrolment.limits.items():
        parts.ledger.set_limit("repo", repository, limit)


def tell_forges(parts: Parts) -> int:
    """Tell the forges where their commits' jobs stand; how many jobs that were."""
    return parts.telling.round(parts.closing.is_set)


def notify(parts: Parts) -> int:
    """Tell people how jobs ended; how many messages that were."""
    return parts.notifications.round(parts.closing.is_set)


def keep_mirrors(parts: Parts) -> int:
    """Look at the mirrors whose time has come; how many that are."""
    return parts.mirrors.round() if parts.mirrors else 0


def approve_held(parts: Parts) -> int:
    """Let held jobs go on whose authors may push; how many that were."""
    return parts.approvals.round(parts.closing.is_set)


def reconcile(parts: Parts) -> int:
    """Build what no webhook told of; how many heads that were."""
    return parts.reconciler.round(parts.closing.is_set)


def archive_ended(parts: Parts) -> int:
    """Archive what has ended and is not archived; how many jobs that were.

    One that cannot be archived is left for the next round and does not hold up the others.
    """
    ledger, done, failure = parts.ledger, 0, None
    for job_id in ledger.records.unarchived(_BATCH):
        try:
            _archive(parts, job_id)
            done += 1
        except (LedgerError, StoreError) as error:
            _log.warning("job not archived", job=job_id, error=str(error))
            failure = error
    if failure:
        raise failure
    return done


def _archive(parts: Parts, job_id: str) -> None:
    log = _whole_log(parts.ledger, job_id)
    try:
        job = parts.ledger.records.get(job_id)
    except LedgerUnavailableError:
        raise
    except LedgerError as error:
        # Another round would read no more of it: what there is is kept for whoever can.
        _log.error("unreadable job archived as it is", job=job_id, error=str(error))
        parts.metrics.system_error("archiver")
        parts.archive.put_unread(job_id, parts.ledger.records.raw(job_id), log)
    else:
        if job is None:
            _log.error("job left Redis before it was archived", job=job_id)
            parts.metrics.system_error("archiver")
        else:
            _put(parts.archive, job, log)
            if parts.ledger.records.archived(job_id, job):  # again after a late post-mortem, but it ended once
                parts.metrics.ended(job)
            return
    parts.ledger.records.archived(job_id)


def _put(archive: Archive, job: Job, log: Iterator[LogChunk]) -> None:
    first = next(log, None)
    if first is None and archive.job(job.id) is not None:
        archive.put_record(job)  # archived before: a post-mortem came, and Redis has forgotten the log since
    else:
        archive.put(job, chain([first] if first else [], log))


def _whole_log(ledger: Ledger, job_id: str) -> Iterator[LogChunk]:
    after = "0-0"
    while batch := ledger.logs.read(job_id, after):
        yield from batch
        after = batch[-1].id
