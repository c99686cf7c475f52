"""Held jobs of people who may push anyway: the forge is asked once whether they may, then the job goes on.

Owns: which held jobs, when the forge is asked again, in whose name it goes on.
Leaves to others: whose right counts (`raibid.forge.approval`), approval by a person (`jobs.py`), the step itself
(`raibid.ledger`).

A commit that came later is another job, and asked about again. Nothing is remembered that matters: an API that was
restarted asks once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

import structlog

from raibid.api.forges import Connect
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.forge import Enrolment
from raibid.forge.approval import vouchers
from raibid.forge.errors import CallError, ForgeRefusedError, ForgeUnavailableError
from raibid.forge.forge import Forge
from raibid.ledger import Ledger, LedgerError, LedgerUnavailableError
from raibid.model.job import Job

_log: Final = structlog.get_logger("raibid.api")
_MOST: Final = 1_000
"""Held jobs looked at in one round, the ones that have waited longest."""


class Approvals:
    """Asks the forges about held jobs. One round at a time."""

    def __init__(
        self,
        ledger: Ledger,
        forges: Mapping[str, Connect],
        enrolment: Enrolment,
        metrics: Metrics,
        *,
        patience: Patience[str] | None = None,
    ) -> None:
        self._ledger = ledger
        self._forges = forges
        self._enrolment = enrolment
        self._metrics = metrics
        self._patience = patience or Patience(first=1.0, longest=60.0)
        """Of forges."""
        self._settled: set[str] = set()
        """Held jobs that wait for a person, whatever else happens."""

    def round(self, closing: Callable[[], bool] = lambda: False) -> int:
        """Ask about the held jobs that nobody was asked about; how many went on.

        Raises:
            LedgerError: Redis failed.
        """
        if not self._forges:
            return 0
        held = self._ledger.held(_MOST)
        self._settled &= set(held)
        done = 0
        with ExitStack() as connections:
            open_forges: dict[str, Forge] = {}
            for job_id in held:
                if closing():
                    break
                if job_id not in self._settled and (job := self._read(job_id)):
                    done += self._look(job, connections, open_forges)
        return done

    def _read(self, job_id: str) -> Job | None:
        try:
            return self._ledger.records.get(job_id)
        except LedgerUnavailableError:
            raise
        except LedgerError as error:
            _log.error("nobody is asked about an unreadable job", job=job_id, error=str(error))
            self._settled.add(job_id)
            return None

    def _look(self, job: Job, connections: ExitStack, open_forges: dict[str, Forge]) -> int:
        forge, people = job.spec.forge, vouchers(job.spec)
        rule = self._enrolment.rule(job.spec.repo)
        if not people or forge not in self._forges or (rule and rule.approval):
            self._settled.add(job.id)  # an operator's rule wants a person, whoever the author is
            return 0
        if self._patience.waits(forge):
            return 0
        try:
            if forge not in open_forges:
                open_forges[forge] = connections.enter_context(self._forges[forge]())
            may = all(open_forges[forge].may_write(job.spec.repo, person) for person in people)
        except CallError as error:
            self._failed(job, error)
            return 0
        self._patience.succeeded(forge)
        self._settled.add(job.id)
        self._metrics.approval(forge, "approved" if may else "left")
        if may:
            self._ledger.approve(job.id, f"{job.spec.author}, who may push")
            _log.info("approved: its author may push", job=job.id, repo=job.spec.repo, author=job.spec.author)
        return int(may)

    def _failed(self, job: Job, error: CallError) -> None:
        forge = job.spec.forge
        if isinstance(error, ForgeRefusedError):
            self._settled.add(job.id)
            self._metrics.approval(forge, "refused")
            _log.warning(
                "the forge does not say who may push; a person must", job=job.id, error=str(error)
            )
            return
        self._metrics.approval(forge, "away")
        if self._patience.failed(forge, error.retry_after if isinstance(error, ForgeUnavailableError) else 0.0):
            _log.warning("the forge does not say who may push; it is asked again", forge=forge, error=str(error))
