"""What cannot be said of one topic just now: of which forges, repositories and jobs, until when, what the log hears.

Owns: what each kind of failure means for whom, and that nothing is said over and over.
Leaves to others: the waiting times (`patience.py`), what is said of whom (`lane.py`).

Whose trouble a failure is, is known by what goes well: of a forge that took another repository's word since it is the
repository's, of a repository that had another job's word taken it is the job's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeLimitError,
    ForgeUnavailableError,
)
from raibid.model.job import Job

_log: Final = structlog.get_logger("raibid.api")
_MOST_LOGGED: Final = 1_000

MakePatience = Callable[[float, float], Patience[str]]
"""First and longest waiting time → what keeps them."""


class Troubles:
    """What failed, as far as one API process knows."""

    def __init__(self, topic: str, metrics: Metrics, patience: MakePatience) -> None:
        self._topic = topic
        self._metrics = metrics
        self._away = patience(1.0, 60.0)
        """Of forges and of single repositories: one that always times out must not hold up the others."""
        self._turns = patience(1.0, 60.0)
        """Of jobs with which their repository was in trouble: the next one gets its turn."""
        self._jobs = patience(5.0, 600.0)
        self._logged: dict[tuple[str, str], None] = {}
        """Repository or job, and kind of trouble, that the log has, oldest first."""

    def keep(self, jobs: Iterable[str]) -> None:
        """Forget all other jobs: they are told."""
        jobs = set(jobs)
        self._turns.keep(jobs)
        self._jobs.keep(jobs)
        for oldest in list(self._logged)[:-_MOST_LOGGED]:
            del self._logged[oldest]

    def forge_waits(self, forge: str) -> bool:
        """Whether it is too early to tell a forge anything."""
        return self._away.waits(forge)

    def waits(self, job: Job) -> bool:
        """Whether it is too early for the job's forge or repository."""
        return self.forge_waits(job.spec.forge) or self._away.waits(home_of(job))

    def job_waits(self, job_id: str) -> bool:
        """Whether it is too early for this one job."""
        return self._jobs.waits(job_id) or self._turns.waits(job_id)

    def due(self, job: Job) -> tuple[float, float]:
        """When the job, with its repository, and when by itself may be tried again; zeros: neither is in trouble."""
        alone = self._turns.due(job.id)
        return max(self._away.due(home_of(job)), alone), alone

    def put_off(self, job_id: str) -> None:
        """Tell this job later."""
        self._jobs.failed(job_id)

    def over(self, job: Job) -> None:
        """The job's forge took something of it."""
        home = home_of(job)
        self._turns.succeeded(job.id)
        self._away.succeeded(home)
        self._logged = {known: None for known in self._logged if known[0] not in (home, job.id)}
        if self._away.succeeded(job.spec.forge):
            _log.info("the forge takes them again", topic=self._topic, forge=job.spec.forge)

    def told(self, job_id: str) -> None:
        """Nothing more is to be said of this job."""
        self._jobs.succeeded(job_id)

    def came(self, job: Job, error: CallError) -> None:
        """Something of a job could not be said now."""
        forge = job.spec.forge
        match error:
            case ForgeFaultError():
                self._metrics.said(self._topic, forge, "failed")
                if self._jobs.failed(job.id):
                    _log.warning("not taken; it will be told again", topic=self._topic, job=job.id, error=str(error))
            case ForgeLimitError(retry_after=asked):
                self._metrics.said(self._topic, forge, "away")
                self._forge_away(forge, error, asked)  # no fault of the job's: it counts all calls
            case ForgeUnavailableError(retry_after=asked):
                self._away_with(job, error, asked)
            case _:  # the login: the operator's to mend, and nobody knows when
                self._away_with(job, error)

    def refused(self, job: Job, error: CallError) -> None:
        """The forge will not take this of a job, however often it is asked."""
        self._metrics.said(self._topic, job.spec.forge, "refused")
        self._log_once("the forge refuses this of the repository; not said again", home_of(job), job, error)

    def _away_with(self, job: Job, error: CallError, asked: float = 0.0) -> None:
        self._metrics.said(self._topic, job.spec.forge, "away")
        home = home_of(job)
        if not self._turns.failed(job.id, asked) and not self._away.due(home):
            self._log_once("the forge does not take this job's; it waits", job.id, job, error)
        elif not self._away.failed(home, asked) and not self._away.due(job.spec.forge):
            self._log_once("the forge takes none of this repository; they wait", home, job, error)
        else:
            self._forge_away(job.spec.forge, error, asked)

    def _forge_away(self, forge: str, error: CallError, asked: float) -> None:
        if self._away.failed(forge, asked):
            _log.warning("the forge takes none; they wait", topic=self._topic, forge=forge, error=str(error))

    def _log_once(self, words: str, whose: str, job: Job, error: CallError) -> None:
        """Said again only when it was mended meanwhile. What may pass by itself is a warning, a refusal an error."""
        trouble = (whose, type(error).__name__)
        if trouble not in self._logged:
            self._logged[trouble] = None
            log = _log.warning if isinstance(error, ForgeUnavailableError) else _log.error
            log(words, topic=self._topic, repo=job.spec.repo, job=job.id, error=str(error))


def home_of(job: Job) -> str:
    """The job's repository, as something that can be in trouble by itself."""
    return f"{job.spec.forge}/{job.spec.repo}"
