"""One topic that forges are told of each job: what was said of which, and what may be said now.

Owns: what is settled, and which words may still be on their way.
Leaves to others: the words (`statuses.py`, `comments.py`), what a failure means for whom (`troubles.py`), whose turn
it is and when a job is told for good (`telling.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from raibid.api.metrics import Metrics
from raibid.api.troubles import MakePatience, Troubles, home_of
from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeLoginError,
    ForgeReachError,
    ForgeRefusedError,
    ForgeSilentError,
)
from raibid.forge.forge import Forge
from raibid.model.job import Job

_ARRIVES: Final = 3_600.0
"""Seconds after which a word that got no answer has arrived, or never will."""


class Topic(Protocol):
    """Something that is said of a job. Again is harmless: the forge then shows the same."""

    @property
    def name(self) -> str:
        """As metrics and log call it."""

    @property
    def optional(self) -> bool:
        """Whether it is left out, and nothing waits for it, where our login has no right to it."""

    def place(self, job: Job) -> str:
        """Where the forge shows it, within the repository; empty: there is nothing to say of this job as it is."""

    def say(self, forge: Forge, job: Job) -> None:
        """Say it. Raises CallError, LedgerError."""


class Lane:
    """A topic, with what one API process knows of it."""

    def __init__(self, topic: Topic, metrics: Metrics, patience: MakePatience, clock: Callable[[], float]) -> None:
        self.troubles: Final = Troubles(topic.name, metrics, patience)
        self._topic = topic
        self._metrics = metrics
        self._clock = clock
        self._round = 0
        self._unanswered: set[str] = set()
        """Forges that were unavailable in this round: it has one timeout at most."""
        self._settled: dict[str, tuple[object, int]] = {}
        """Job → the state it had when the forge took or refused the word, and in which round that was."""
        self._unsure: dict[tuple[str, str], float] = {}
        """Repository and place that the forge was told something at and did not answer → when: a slow one may take it
        after the next word, which may be another job's (a retry's) and therefore goes by the place, not by the job."""

    def begin(self, untold: Collection[str]) -> None:
        """A new round. All other jobs are told, and forgotten."""
        self._round += 1
        self._unanswered.clear()
        self.troubles.keep(untold)
        self._settled = {job: self._settled[job] for job in untold if job in self._settled}
        oldest = self._clock() - _ARRIVES
        self._unsure = {place: since for place, since in self._unsure.items() if since > oldest}

    def concerns(self, job: Job) -> bool:
        """Whether there is anything to say of the job as it is."""
        return bool(self._topic.place(job))

    def settled(self, job: Job) -> int:
        """The round in which the forge took or refused the word of the job as it is; 0: it is unsaid."""
        state, in_round = self._settled.get(job.id, (None, 0))
        return in_round if state == _state(job) else 0

    def finish(self, job: Job, *, told: bool) -> None:
        """All of the job is said. Told for good it is forgotten; if not, what was said in an earlier round is."""
        if told or self.settled(job) != self._round:
            self._settled.pop(job.id, None)
        if told:
            self.troubles.told(job.id)

    def waits(self, job: Job) -> bool:
        """Whether it is too early."""
        return job.spec.forge in self._unanswered or self.troubles.waits(job)

    def say(self, forges: Mapping[str, Forge], job: Job) -> bool:
        """Say it. Whether the forge took it. `forges`: may raise CallError, too: it is opened when first asked for."""
        try:
            self._topic.say(forges[job.spec.forge], job)
        except CallError as error:
            self._failed(job, error)
            return False
        self._metrics.said(self._topic.name, job.spec.forge, "told")
        self.troubles.over(job)
        if self._unsure.pop(self._place(job), None) is None:
            self._settle(job)
        else:
            self.troubles.put_off(job.id)  # once more, when what was on its way has long arrived
        return True

    def _failed(self, job: Job, error: CallError) -> None:
        if isinstance(error, ForgeRefusedError) or (self._topic.optional and _is_about_login(error)):
            self.troubles.refused(job, error)
            self._unsure.pop(self._place(job), None)  # nothing is shown there
            self._settle(job)
            return
        self.troubles.came(job, error)
        if not isinstance(error, ForgeFaultError):
            self._unanswered.add(job.spec.forge)
        if isinstance(error, ForgeSilentError):
            self._unsure[self._place(job)] = self._clock()

    def _settle(self, job: Job) -> None:
        self._settled[job.id] = _state(job), self._round

    def _place(self, job: Job) -> tuple[str, str]:
        return home_of(job), self._topic.place(job)


def _is_about_login(error: CallError) -> bool:
    return isinstance(error, (ForgeLoginError, ForgeReachError))


def _state(job: Job) -> object:
    return job.status, job.attempt, job.owner, job.reason
