"""Commit statuses: each forge is told where the jobs of its commits stand.

Owns: which job is told, in which order, when again, and which failures end the matter.
Leaves to others: who is untold (`raibid.ledger`, in the same atomic step as each transition), what is said
(`raibid.forge.commit_status`), saying it (`raibid.forge.gitea_client`).

Nothing is remembered here that matters: a job leaves the ledger's set only after its forge has answered, so an API that
dies in between tells it once more, which shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Final, Protocol

import structlog

from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.settings import Settings
from raibid.forge.commit_status import CommitStatus, status_of
from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeLoginError,
    ForgeRefusedError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.forge.gitea_client import GiteaClient
from raibid.ledger import Ledger, LedgerError, LedgerUnavailableError
from raibid.model.job import Job, JobStatus

_log: Final = structlog.get_logger("raibid.api")
_MOST: Final = 1_000
"""Jobs looked at in one round."""


class StatusForge(Protocol):
    """A forge that shows statuses."""

    def set_status(self, repository: str, sha: str, status: CommitStatus) -> object:
        """Show it; again is harmless. Raises CallError."""


Connect = Callable[[], AbstractContextManager[StatusForge]]
"""Raises ForgeLoginError."""


def forges_of(settings: Settings) -> dict[str, Connect]:
    """The forges that are told: name, as a job's spec has it → how to speak to it. Without an address, nobody."""
    if not (settings.gitea_url and settings.forge_credentials_file):
        return {}
    return {"gitea": partial(GiteaClient.connect, settings.gitea_url, settings.forge_credentials_file)}


class Statuses:
    """Tells the forges. One round at a time."""

    def __init__(
        self,
        ledger: Ledger,
        forges: Mapping[str, Connect],
        metrics: Metrics,
        *,
        public_url: str,
        forge_patience: Patience[str] | None = None,
        job_patience: Patience[str] | None = None,
    ) -> None:
        self._ledger = ledger
        self._forges = forges
        self._metrics = metrics
        self._public_url = public_url
        self._away = forge_patience or Patience(first=1.0, longest=60.0)
        self._faults = job_patience or Patience(first=5.0, longest=600.0)
        self._refused: set[tuple[str, str]] = set()
        """Repository and kind of refusal that the log has; bounded by the repositories that have jobs."""
        self._unsure: set[str] = set()
        """Jobs of which the forge was told something and did not answer: a slow one may take it after the next word."""

    def round(self, closing: Callable[[], bool] = lambda: False) -> int:
        """Tell what can be told now; how many jobs' forges were told.

        Raises:
            LedgerError: Redis failed. What is not told stays untold.
        """
        if self._forges and all(map(self._away.waits, self._forges)):
            return 0
        # A retried job's commit is the first one's: in order of their ids the newest has the last word.
        untold = sorted(self._ledger.untold(_MOST))
        self._metrics.untold(len(untold))
        self._faults.keep(untold)
        self._unsure.intersection_update(untold)
        done = 0
        with ExitStack() as connections:
            open_forges: dict[str, StatusForge] = {}
            for job_id in untold:
                if closing():
                    break
                job = None if self._faults.waits(job_id) else self._read(job_id)
                if job is None:
                    continue
                connect = self._forges.get(job.spec.forge)
                if connect is None or not job.spec.sha:
                    self._ledger.told(job_id, job.status)  # nobody to tell, or nothing it could be shown at
                elif not self._away.waits(job.spec.forge):
                    done += self._tell(job, connect, connections, open_forges)
        return done

    def _read(self, job_id: str) -> Job | None:
        try:
            job = self._ledger.records.get(job_id)
        except LedgerUnavailableError:
            raise
        except LedgerError as error:
            if self._faults.failed(job_id):
                _log.error("no status told of an unreadable job", job=job_id, error=str(error))
            return None
        if job is None:
            self._ledger.told(job_id, JobStatus.DEAD)  # of a job without a record the ledger takes any word
        return job

    def _tell(self, job: Job, connect: Connect, connections: ExitStack, open_forges: dict[str, StatusForge]) -> int:
        forge, spec = job.spec.forge, job.spec
        try:
            if forge not in open_forges:
                open_forges[forge] = connections.enter_context(connect())
            open_forges[forge].set_status(spec.repo, spec.sha, status_of(job, self._public_url))
        except CallError as error:
            self._failed(job, error)
            return 0
        self._metrics.status(forge, "told")
        if job.id in self._unsure:
            self._unsure.remove(job.id)
            self._faults.failed(job.id)  # once more, when what was on its way has long arrived
        else:
            self._ledger.told(job.id, job.status)
            self._faults.succeeded(job.id)
        if self._away.succeeded(forge):
            _log.info("the forge takes statuses again", forge=forge)
        return 1

    def _failed(self, job: Job, error: CallError) -> None:
        forge, repo = job.spec.forge, job.spec.repo
        match error:
            case ForgeRefusedError():
                self._metrics.status(forge, "refused")
                if (repo, type(error).__name__) not in self._refused:
                    self._refused.add((repo, type(error).__name__))
                    _log.error("the forge takes no status of this repository", repo=repo, job=job.id, error=str(error))
                self._ledger.told(job.id, job.status)
            case ForgeFaultError():
                self._metrics.status(forge, "failed")
                if self._faults.failed(job.id):
                    _log.warning("status not taken; it will be told again", job=job.id, error=str(error))
            case ForgeUnavailableError() | ForgeLoginError() | _:
                self._metrics.status(forge, "away")
                if isinstance(error, ForgeSilentError):
                    self._unsure.add(job.id)
                asked = error.retry_after if isinstance(error, ForgeUnavailableError) else 0.0
                if self._away.failed(forge, asked):
                    _log.warning("the forge takes no statuses; they wait", forge=forge, error=str(error))
