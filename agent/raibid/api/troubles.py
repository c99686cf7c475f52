"""Forges, repositories and jobs that cannot be told of just now: which, until when, and what the log hears of it.

Owns: what each kind of failure means for whom, and that nothing is said over and over.
Leaves to others: the waiting times (`patience.py`), who is told and what (`telling.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeLimitError,
    ForgeLoginError,
    ForgeRefusedError,
    ForgeUnavailableError,
)
from raibid.model.job import Job

_log: Final = structlog.get_logger("raibid.api")


class Troubles:
    """What failed, as far as one API process knows."""

    def __init__(self, metrics: Metrics, forges: Patience[str] | None, jobs: Patience[str] | None) -> None:
        self._metrics = metrics
        self._away = forges or Patience(first=1.0, longest=60.0)
        """Of forges and of single repositories: one that always times out must not hold up the others."""
        self._jobs = jobs or Patience(first=5.0, longest=600.0)
        self._logged: set[tuple[str, str, str]] = set()
        """Repository, topic and kind of trouble that the log has; bounded by the repositories that have jobs."""

    def keep(self, jobs: Iterable[str]) -> None:
        """Forget all other jobs: they are told."""
        self._jobs.keep(jobs)

    def forge_waits(self, forge: str) -> bool:
        """Whether it is too early to tell a forge anything."""
        return self._away.waits(forge)

    def waits(self, job: Job) -> bool:
        """Whether it is too early for the job's forge or repository."""
        return self._away.waits(job.spec.forge) or self._away.waits(_home(job))

    def job_waits(self, job_id: str) -> bool:
        """Whether it is too early for this one job."""
        return self._jobs.waits(job_id)

    def due(self, job: Job) -> float:
        """When the job's repository, which is in trouble, may be asked again; 0: it is in none."""
        return self._away.due(_home(job))

    def put_off(self, job_id: str) -> bool:
        """Tell this job later. Whether it is the first time in a row."""
        return self._jobs.failed(job_id)

    def over(self, job: Job) -> None:
        """The job's forge took something of it."""
        self._away.succeeded(_home(job))
        if self._away.succeeded(job.spec.forge):
            _log.info("the forge takes statuses again", forge=job.spec.forge)

    def told(self, job_id: str) -> None:
        """Nothing more is to be said of this job."""
        self._jobs.succeeded(job_id)

    def came(self, topic: str, job: Job, error: CallError) -> None:
        """Something of a job could not be said."""
        forge = job.spec.forge
        match error:
            case ForgeRefusedError():
                self._metrics.said(topic, forge, "refused")
                self._log_once("the forge refuses this of the repository; not said again", topic, job, error)
            case ForgeFaultError():
                self._metrics.said(topic, forge, "failed")
                if self._jobs.failed(job.id):
                    _log.warning("not taken; it will be told again", topic=topic, job=job.id, error=str(error))
            case ForgeLimitError(retry_after=asked):
                self._metrics.said(topic, forge, "away")
                self._forge_away(forge, error, asked)  # no fault of the repository's: it counts all calls
            case ForgeUnavailableError(retry_after=asked):
                self._metrics.said(topic, forge, "away")
                self._away_with(topic, job, error, asked)
            case ForgeLoginError() | _:
                self._metrics.said(topic, forge, "away")
                self._away_with(topic, job, error)

    def _away_with(self, topic: str, job: Job, error: CallError, asked: float = 0.0) -> None:
        again = not self._away.failed(_home(job), asked)
        if again and not self._away.due(job.spec.forge):  # it has taken another repository's since
            self._log_once("the forge takes nothing of this repository; it waits", topic, job, error)
        else:
            self._forge_away(job.spec.forge, error, asked)

    def _forge_away(self, forge: str, error: CallError, asked: float) -> None:
        if self._away.failed(forge, asked):
            _log.warning("the forge takes no statuses; they wait", forge=forge, error=str(error))

    def _log_once(self, words: str, topic: str, job: Job, error: CallError) -> None:
        """An error of the operator's to mend, said once; a state that may pass, once too, but as a warning."""
        trouble = (job.spec.repo, topic, type(error).__name__)
        if trouble not in self._logged:
            self._logged.add(trouble)
            log = _log.error if isinstance(error, ForgeRefusedError) else _log.warning
            log(words, topic=topic, repo=job.spec.repo, job=job.id, error=str(error))


def _home(job: Job) -> str:
    """The job's repository, as something that can be in trouble by itself."""
    return f"{job.spec.forge}/{job.spec.repo}"
