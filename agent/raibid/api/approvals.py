"""Held jobs of people who may push anyway, or whose commit such a person approved on the forge: they go on.

Owns: which held jobs, when the forge is asked again, in whose name it goes on.
Leaves to others: whose right counts (`raibid.forge.approval`, `raibid.forge.reviews`), approval with a token
(`jobs.py`), the step itself (`raibid.ledger`).

The forge is asked once per job, once more for each review it tells of, and every ten minutes: a review's webhook may be
lost, and somebody be given the right to push. A commit that came later is another job. Nothing is remembered that
matters: an API that was restarted asks anew. The webhook of a review is only a hint; who approved which commit is
asked, for Gitea tells the newest commit of a review of an older one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Final

import structlog

from raibid.api.forges import Connect
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.forge import Enrolment, dedupe_key
from raibid.forge.approval import vouchers
from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeForbiddenError,
    ForgeReachError,
    ForgeRefusedError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.forge.forge import Forge
from raibid.ledger import Ledger, LedgerError, LedgerUnavailableError
from raibid.model.job import Job, JobStatus
from raibid.model.pull_request_event import PullRequestReviewed, pull_number

_log: Final = structlog.get_logger("raibid.api")
_MOST: Final = 10_000
"""Held jobs looked at in one round, the ones that have waited longest."""
_ASKED_AGAIN: Final = 600.0
"""Seconds: two or three questions per held job, of the 5,000 an hour that GitHub answers."""
_STRIKES: Final = 3
"""So many jobs in a row that got no answer: it is the forge."""


class Approvals:
    """Asks the forges about held jobs. One round at a time."""

    def __init__(
        self,
        ledger: Ledger,
        forges: Mapping[str, Connect],
        enrolment: Enrolment,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._forges = forges
        self._enrolment = enrolment
        self._metrics = metrics
        self._clock = clock
        self._forges_rest: Patience[str] = Patience(first=1.0, longest=60.0, clock=clock)
        self._jobs_rest: Patience[str] = Patience(first=1.0, longest=_ASKED_AGAIN, clock=clock)
        """Of jobs at whose question alone a forge fails: it must not keep the others waiting."""
        self._silent: dict[str, int] = {}
        """Forge → jobs in a row that got no answer."""
        self._settled: dict[str, float] = {}
        """Held jobs that wait for a person, an operator or a review, and until when nobody is asked about them."""
        self._reviewed: SimpleQueue[str] = SimpleQueue()
        """Held jobs to ask about again; from other threads."""

    def look_again(self, review: PullRequestReviewed) -> list[str]:
        """Ask about a pull request's held job in the next round; its id, if it has one and there is a forge to ask.

        Raises:
            LedgerError: Redis failed.
        """
        if not self._forges:
            return []
        found = self._ledger.heads.jobs([dedupe_key(review.repo, review.ref, review.sha, forge=review.forge)])
        held = [job.id for job in found if job and job.status is JobStatus.HELD]
        for job_id in held:
            self._reviewed.put(job_id)
        return held

    def round(self, closing: Callable[[], bool] = lambda: False) -> int:
        """Ask about the held jobs that nobody was asked about; how many went on.

        Raises:
            LedgerError: Redis failed.
        """
        if not self._forges:
            return 0
        while not self._reviewed.empty():
            reviewed = self._reviewed.get()
            self._settled.pop(reviewed, None)
            self._jobs_rest.succeeded(reviewed)
        held = self._ledger.held(_MOST)
        self._settled = {job_id: until for job_id in held if (until := self._settled.get(job_id)) is not None}
        self._jobs_rest.keep(held)
        done = 0
        with ExitStack() as connections:
            open_forges: dict[str, Forge] = {}
            for job_id in held:
                if closing():
                    break
                if self._is_due(job_id) and (job := self._read(job_id)):
                    done += self._look(job, connections, open_forges)
        return done

    def _is_due(self, job_id: str) -> bool:
        return self._clock() >= self._settled.get(job_id, 0.0) and not self._jobs_rest.waits(job_id)

    def _settle(self, job_id: str) -> bool:
        """Ask nobody about it for a while. Whether it is the first time."""
        known = job_id in self._settled
        self._settled[job_id] = self._clock() + _ASKED_AGAIN
        return not known

    def _read(self, job_id: str) -> Job | None:
        try:
            return self._ledger.records.get(job_id)
        except LedgerUnavailableError:
            raise
        except LedgerError as error:
            if self._settle(job_id):
                _log.error("nobody is asked about an unreadable job", job=job_id, error=str(error))
            return None

    def _look(self, job: Job, connections: ExitStack, open_forges: dict[str, Forge]) -> int:
        forge, rule = job.spec.forge, self._enrolment.rule(job.spec.repo)
        if not job.spec.fork or forge not in self._forges or (rule and rule.approval):
            self._settle(job.id)  # an operator's rule wants an operator, whoever the author is
            return 0
        if self._forges_rest.waits(forge):
            return 0
        try:
            if forge not in open_forges:
                open_forges[forge] = connections.enter_context(self._forges[forge]())
            by = self._approved_by(open_forges[forge], job)
        except CallError as error:
            self._failed(job, error)
            return 0
        self._answered(job)
        if by:
            self._ledger.approve(job.id, by)
            _log.info("approved", job=job.id, repo=job.spec.repo, by=by)
        self._settle(job.id)  # not before Redis has the approval
        self._metrics.approval(forge, "approved" if by else "left")
        return int(bool(by))

    def _approved_by(self, forge: Forge, job: Job) -> str:
        """Whose word lets the commit in; empty: nobody's yet. Raises CallError: the forge does not say."""
        spec = job.spec
        if self._may_all_write(forge, job, vouchers(spec)):
            return f"{spec.author}, who may push"
        return next((f"{user}'s review" for user in forge.approvers(spec.repo, pull_number(spec.ref), spec.sha)), "")

    def _may_all_write(self, forge: Forge, job: Job, people: Sequence[str]) -> bool:
        try:
            return bool(people) and all(forge.may_write(job.spec.repo, person) for person in people)
        except ForgeForbiddenError as error:
            # Gitea tells it to the repository's administrators alone. A review is no less than that.
            self._metrics.approval(job.spec.forge, "refused")
            if job.id not in self._settled:
                _log.warning("the forge does not say who may push", job=job.id, repo=job.spec.repo, error=str(error))
            return False

    def _answered(self, job: Job) -> None:
        self._forges_rest.succeeded(job.spec.forge)
        self._jobs_rest.succeeded(job.id)
        self._silent.pop(job.spec.forge, None)

    def _failed(self, job: Job, error: CallError) -> None:
        forge = job.spec.forge
        if isinstance(error, ForgeRefusedError):
            self._answered(job)
            self._metrics.approval(forge, "refused")
            if self._settle(job.id):
                _log.warning("the forge does not say who may push; a person must", job=job.id, error=str(error))
            return
        self._metrics.approval(forge, "away")
        if isinstance(error, ForgeFaultError | ForgeReachError | ForgeSilentError):
            if self._jobs_rest.failed(job.id):
                _log.warning("the forge fails at this job; it is asked again", job=job.id, error=str(error))
            if not isinstance(error, ForgeSilentError):
                return
            self._silent[forge] = self._silent.get(forge, 0) + 1
            if self._silent[forge] < _STRIKES:
                return
        if self._forges_rest.failed(forge, error.retry_after if isinstance(error, ForgeUnavailableError) else 0.0):
            _log.warning("the forge does not say who may push; it is asked again", forge=forge, error=str(error))
