"""Commit statuses: each forge is told where the jobs of its commits stand.

Owns: which job is told, in which order, when again, and which failures end the matter.
Leaves to others: who is untold (`raibid.ledger`, in the same atomic step as each transition), what is said
(`raibid.forge.commit_status`), saying it (the forges' clients).

Nothing is remembered here that matters: a job leaves the ledger's set only after its forge has answered, so an API that
dies in between tells it once more, which shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from raibid.forge.gitea import GiteaClient
from raibid.ledger import Ledger, LedgerError, LedgerUnavailableError
from raibid.model.job import Job

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
        """Of forges and of single repositories: one that always times out must not hold up the others."""
        self._faults = job_patience or Patience(first=5.0, longest=600.0)
        self._logged: set[tuple[str, str]] = set()
        """Repository and kind of trouble that the log has; bounded by the repositories that have jobs."""
        self._unsure: set[tuple[str, str, str]] = set()
        """What the forge was told something of and did not answer: a slow one may take it after the next word, which
        may be another job's (a retry's) and therefore goes by the place and not by the job."""

    def round(self, closing: Callable[[], bool] = lambda: False) -> int:
        """Tell what can be told now; how many jobs' forges were told.

        Raises:
            LedgerError: Redis failed. What is not told stays untold.
        """
        if self._forges and all(map(self._away.waits, self._forges)):
            return 0
        # Several may have the same commit: in order of their ids the newest has the last word.
        untold = sorted(self._ledger.untold(_MOST))
        self._metrics.untold(len(untold))
        self._faults.keep(untold)
        done = 0
        unanswered: set[str] = set()  # forges that were unavailable in this round: it has one timeout at most
        with ExitStack() as connections:
            open_forges: dict[str, StatusForge] = {}
            for job in self._in_turn(untold):
                if closing():
                    break
                forge = job.spec.forge
                connect = self._forges.get(forge)
                if connect is None or not job.spec.sha or job.retries:
                    # Nobody to tell, or nothing it could be shown at; of a retried job's commit only the retry speaks.
                    self._ledger.told(job.id, job)
                elif forge not in unanswered and not any(map(self._away.waits, (forge, _home(job)))):
                    done += self._tell(job, connect, connections, open_forges)
                    if self._away.due(_home(job)):
                        unanswered.add(forge)
        return done

    def _in_turn(self, untold: list[str]) -> Iterator[Job]:
        """The jobs as they are when it is their turn. Those of repositories in trouble come last, the one whose turn
        is longest overdue first: whatever else fails, each is asked about once in a while, and the others before.
        """
        troubled: list[tuple[float, str]] = []
        for job_id in untold:
            job = None if self._faults.waits(job_id) else self._read(job_id)
            if job and (due := self._away.due(_home(job))):
                troubled.append((due, job_id))
            elif job:
                yield job
        for _, job_id in sorted(troubled):
            if job := self._read(job_id):
                yield job

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
            self._ledger.told(job_id, None)
        return job

    def _tell(self, job: Job, connect: Connect, connections: ExitStack, open_forges: dict[str, StatusForge]) -> int:
        forge, spec, status = job.spec.forge, job.spec, status_of(job, self._public_url)
        shown_at = (_home(job), spec.sha, status.context)
        try:
            if forge not in open_forges:
                open_forges[forge] = connections.enter_context(connect())
            open_forges[forge].set_status(spec.repo, spec.sha, status)
        except CallError as error:
            if isinstance(error, ForgeSilentError):
                self._unsure.add(shown_at)
            elif isinstance(error, ForgeRefusedError):
                self._unsure.discard(shown_at)  # nothing is shown there
            self._failed(job, error)
            return 0
        self._metrics.status(forge, "told")
        if shown_at in self._unsure:
            self._unsure.remove(shown_at)
            self._faults.failed(job.id)  # once more, when what was on its way has long arrived
        else:
            self._ledger.told(job.id, job)
            self._faults.succeeded(job.id)
        self._away.succeeded(_home(job))
        if self._away.succeeded(forge):
            _log.info("the forge takes statuses again", forge=forge)
        return 1

    def _failed(self, job: Job, error: CallError) -> None:
        forge = job.spec.forge
        match error:
            case ForgeRefusedError():
                self._metrics.status(forge, "refused")
                if self._first(job, error):
                    _log.error(
                        "the forge takes no status of this repository",
                        repo=job.spec.repo, job=job.id, error=str(error),
                    )  # fmt: skip
                self._ledger.told(job.id, job)
            case ForgeFaultError():
                self._metrics.status(forge, "failed")
                if self._faults.failed(job.id):
                    _log.warning("status not taken; it will be told again", job=job.id, error=str(error))
            case ForgeUnavailableError() | ForgeLoginError() | _:
                self._metrics.status(forge, "away")
                asked = error.retry_after if isinstance(error, ForgeUnavailableError) else 0.0
                again = not self._away.failed(_home(job), asked)
                if again and not self._away.due(forge):  # it has taken another repository's since
                    if self._first(job, error):
                        _log.warning(
                            "the forge takes no statuses of this repository; they wait",
                            repo=job.spec.repo, job=job.id, error=str(error),
                        )  # fmt: skip
                elif self._away.failed(forge, asked):
                    _log.warning("the forge takes no statuses; they wait", forge=forge, error=str(error))

    def _first(self, job: Job, error: CallError) -> bool:
        """Whether the log has not been told of this repository's trouble."""
        trouble = (job.spec.repo, type(error).__name__)
        first = trouble not in self._logged
        self._logged.add(trouble)
        return first


def _home(job: Job) -> str:
    """The job's repository, as something that can be in trouble by itself."""
    return f"{job.spec.forge}/{job.spec.repo}"
