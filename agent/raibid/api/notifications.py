"""Notifications: whoever the enrolment file names is told how jobs end; nothing is lost while a target is away.

Owns: who has been told how far, in which order targets are served, and when again.
Leaves to others: the transitions (`Ledger.events`), who is to hear (`raibid.forge.notify`), the words (`notices.py`),
the sending (`targets.py`).

Each URL of a target has a cursor in the ledger that moves after each message it took: at least once, whatever dies in
between, and one that fails holds up nobody else, nor gets the target's other URLs told twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from raibid.api.archive import Archive, ArchiveError
from raibid.api.listing import Filters, list_jobs
from raibid.api.metrics import Metrics
from raibid.api.notices import Message, Notice, messages
from raibid.api.patience import Patience
from raibid.api.targets import Address, TargetError, addresses, load_targets, send
from raibid.contract import Env
from raibid.forge import Enrolment
from raibid.forge.notify import Ending, ending_of, targets_of
from raibid.ledger import Ledger, LedgerError, LedgerUnavailableError, Transition
from raibid.model.job import TERMINAL, Job, JobStatus

_log: Final = structlog.get_logger("raibid.api")
_FOLLOWER: Final = "notify"
_JUDGED: Final = frozenset({JobStatus.SUCCESS, JobStatus.FAILED})
"""What says whether a branch is broken: neither a cancelled job nor a dead one does."""


class Notifications:
    """Tells people. One round at a time."""

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        enrolment: Enrolment,
        metrics: Metrics,
        *,
        file: Path | None,
        public_url: str,
        patience: Patience[str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`file`: of the targets; None: nobody is told.

        Raises:
            TargetError: the file cannot be used, or lacks a target that a rule names.
        """
        self._events = ledger.events
        self._jobs = _Jobs(ledger, archive, enrolment)
        self._metrics = metrics
        self._file = file
        self._public_url = public_url
        self._away = patience or Patience(first=5.0, longest=600.0)
        self._now = now
        known = load_targets(file) if file else {}
        if unknown := sorted(enrolment.targets - set(known)):
            raise TargetError(f"notify: {', '.join(unknown)}: no such target in {file or Env.NOTIFY_FILE}")

    def round(self, closing: Callable[[], bool] = lambda: False) -> int:
        """Send what can be sent now; how many messages that were.

        Raises:
            LedgerError: Redis failed. StoreError: the archive did. What is not sent stays to be sent.
        """
        places = self._addresses()
        if not places:
            return 0
        newest = self._events.newest()
        cursors = self._events.cursors(_FOLLOWER)
        self._events.leave(_FOLLOWER, cursors.keys() - places.keys())  # back again, it starts anew
        self._jobs.forget()
        sent = 0
        for name in self._in_turn(places):
            if closing():
                break
            if name not in cursors:
                self._events.move(_FOLLOWER, name, newest)  # it hears of what is to come
            elif cursors[name] != newest:
                sent += self._serve(places[name], cursors[name], closing)
        return sent

    def _addresses(self) -> dict[str, Address]:
        """As the file has them now: a secret in it may have been rotated."""
        if self._file is None or self._away.waits(""):
            return {}
        try:
            targets = load_targets(self._file)
        except TargetError as error:
            if self._away.failed(""):
                _log.error("the file of notifications' targets cannot be used; they wait", error=str(error))
            return {}
        self._away.succeeded("")
        return addresses(targets)

    def _in_turn(self, names: Collection[str]) -> Iterator[str]:
        """Those in order first, then of those in trouble the one that is longest overdue: a round has one timeout."""
        yield from (name for name in names if not self._away.due(name))
        troubled = [name for name in names if self._away.due(name) and not self._away.waits(name)]
        yield from sorted(troubled, key=self._away.due)[:1]

    def _serve(self, address: Address, cursor: str, closing: Callable[[], bool]) -> int:
        if self._events.missed(cursor):
            _log.warning("transitions left Redis before this target heard of them", target=address.name, after=cursor)
        transitions = list(self._events.after(cursor))
        due = [notice for each in transitions if (notice := self._jobs.notice(each, address.target))]
        sent = 0
        for message in messages(due, now=self._now(), public_url=self._public_url):
            if closing() or not self._sent(address, message):
                return sent
            self._events.move(_FOLLOWER, address.name, message.place)
            sent += 1
        if transitions:
            self._events.move(_FOLLOWER, address.name, transitions[-1].id)
        return sent

    def _sent(self, address: Address, message: Message) -> bool:
        name = address.name
        try:
            send(address, message)
        except TargetError as error:
            self._metrics.notification(name, "failed")
            if self._away.failed(name):
                _log.warning("notification not taken; it will be sent again", target=name, error=str(error))
            return False
        self._metrics.notification(name, "sent")
        if self._away.succeeded(name):
            _log.info("the target takes notifications again", target=name)
        return True


class _Jobs:
    """The jobs that transitions are about, each looked up once in a round."""

    def __init__(self, ledger: Ledger, archive: Archive, enrolment: Enrolment) -> None:
        self._ledger = ledger
        self._archive = archive
        self._enrolment = enrolment
        self._found: dict[str, Job | None] = {}
        self._mended: dict[str, bool] = {}

    def forget(self) -> None:
        """A new round."""
        self._found.clear()
        self._mended.clear()

    def notice(self, transition: Transition, target: str) -> Notice | None:
        """What a target is to hear of a transition; None: nothing."""
        if transition.to not in TERMINAL:
            return None
        job = self._job(transition.job)
        if job is None:
            return None
        rules, branch = self._enrolment.notify(job.spec.repo), job.spec.branch
        ending = ending_of(JobStatus(transition.to))
        fixed = ending is Ending.SUCCESS and target in targets_of(rules, branch, Ending.FIXED) and self._fixed(job)
        ending = Ending.FIXED if fixed else ending
        if target not in targets_of(rules, branch, ending):
            return None
        return Notice(transition.id, transition.at, ending, job)

    def _job(self, job_id: str) -> Job | None:
        if job_id not in self._found:
            try:
                job = self._ledger.records.get(job_id) or self._archive.job(job_id)
            except LedgerUnavailableError:
                raise
            except (LedgerError, ArchiveError) as error:  # another round would read no more of it
                _log.error("nobody is notified of an unreadable job", job=job_id, error=str(error))
                job = None
            self._found[job_id] = job
        return self._found[job_id]

    def _fixed(self, job: Job) -> bool:
        """Whether the job before it of the same branch that says anything had failed."""
        if job.id not in self._mended:
            wanted = Filters(status=_JUDGED, repo=job.spec.repo, branch=job.spec.branch)
            page = list_jobs(self._ledger, self._archive, wanted, cursor=job.id, limit=1, now=datetime.now(UTC))
            self._mended[job.id] = any(before.status is JobStatus.FAILED for before in page.jobs)
        return self._mended[job.id]
