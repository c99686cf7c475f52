"""Each forge is told where its jobs stand: statuses of all, and what a pull request's build found.

Owns: which job is told, in which order, when it is told for good.
Leaves to others: who is untold (`raibid.ledger`, in the same atomic step as each transition), what is said
(`statuses.py`, `comments.py`), what a failure means (`troubles.py`), saying it (the forges' clients).

Nothing is remembered here that matters: a job leaves the ledger's set only after its forge has taken, or refused, all
that there is to say of it, so an API that dies in between says it once more, which shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, Protocol

import structlog

from raibid.api.forges import Connect
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.troubles import Troubles
from raibid.forge.errors import CallError, ForgeFaultError, ForgeRefusedError, ForgeSilentError
from raibid.forge.forge import Forge
from raibid.ledger import Ledger, LedgerError, LedgerUnavailableError
from raibid.model.job import Job

_log: Final = structlog.get_logger("raibid.api")
_MOST: Final = 1_000
"""Jobs looked at in one round."""


class Topic(Protocol):
    """Something that is said of a job. Again is harmless: the forge then shows the same."""

    @property
    def name(self) -> str:
        """As metrics and log call it."""

    def place(self, job: Job) -> str:
        """Where the forge shows it, within the repository; empty: there is nothing to say of this job as it is."""

    def say(self, forge: Forge, job: Job) -> None:
        """Say it. Raises CallError, LedgerError."""


class Telling:
    """Tells the forges. One round at a time."""

    def __init__(
        self,
        ledger: Ledger,
        forges: Mapping[str, Connect],
        topics: Sequence[Topic],
        metrics: Metrics,
        *,
        forge_patience: Patience[str] | None = None,
        job_patience: Patience[str] | None = None,
    ) -> None:
        """`topics`: in the order they are said of one job."""
        self._ledger = ledger
        self._forges = forges
        self._topics = topics
        self._metrics = metrics
        self._troubles = Troubles(metrics, forge_patience, job_patience)
        self._settled: dict[str, tuple[object, set[str]]] = {}
        """Job → the state it had, and topics that its forge took or refused of it, where another failed: what the
        forge fails at is tried again alone."""
        self._unsure: set[tuple[str, str, str]] = set()
        """Places (`_place`) the forge was told something at and did not answer: a slow one may take it after the next
        word, which may be another job's (a retry's) and therefore goes by the place and not by the job."""

    def round(self, closing: Callable[[], bool] = lambda: False) -> int:
        """Tell what can be told now; of how many jobs something was.

        Raises:
            LedgerError: Redis failed. What is not told stays untold.
        """
        if self._forges and all(map(self._troubles.forge_waits, self._forges)):
            return 0
        # Several may have the same commit: in order of their ids the newest has the last word.
        untold = sorted(self._ledger.untold(_MOST))
        self._metrics.untold(len(untold))
        self._troubles.keep(untold)
        self._settled = {job: self._settled[job] for job in untold if job in self._settled}
        done = 0
        unanswered: set[str] = set()  # forges that were unavailable in this round: it has one timeout at most
        with ExitStack() as connections:
            open_forges = _OpenForges(self._forges, connections)
            for job in self._in_turn(untold):
                if closing():
                    break
                forge = job.spec.forge
                if forge not in self._forges or not job.spec.sha or job.retries:
                    # Nobody to tell, or nothing it could be shown at; of a retried job's commit only the retry speaks.
                    self._ledger.told(job.id, job)
                elif forge not in unanswered and not self._troubles.waits(job):
                    done += self._tell(job, open_forges)
                    if self._troubles.due(job):
                        unanswered.add(forge)
        return done

    def _in_turn(self, untold: list[str]) -> Iterator[Job]:
        """The jobs as they are when it is their turn. Those of repositories in trouble come last, the one whose turn
        is longest overdue first: whatever else fails, each is asked about once in a while, and the others before.
        """
        troubled: list[tuple[float, str]] = []
        for job_id in untold:
            job = None if self._troubles.job_waits(job_id) else self._read(job_id)
            if job and (due := self._troubles.due(job)):
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
            if self._troubles.put_off(job_id):
                _log.error("nothing told of an unreadable job", job=job_id, error=str(error))
            return None
        if job is None:
            self._ledger.told(job_id, None)
        return job

    def _tell(self, job: Job, forges: _OpenForges) -> bool:
        """Say what is unsaid of a job. Whether its forge took any of it."""
        settled = self._settled_of(job)
        topics = [topic for topic in self._topics if topic.place(job)]
        unsaid = [topic for topic in topics if topic.name not in settled]
        took = False
        for topic in unsaid:
            try:
                topic.say(forges[job.spec.forge], job)
            except CallError as error:
                self._failed(topic, job, error)
                if not isinstance(error, (ForgeRefusedError, ForgeFaultError)):
                    return took
            else:
                took = True
                self._taken(topic, job)
        if len(settled) < len(topics):
            return took
        del self._settled[job.id]
        if unsaid == topics:
            self._ledger.told(job.id, job)
            self._troubles.told(job.id)
        # Else all of it in one go, next round: a second API may have said an older word of it since.
        return took

    def _settled_of(self, job: Job) -> set[str]:
        state = (job.status, job.attempt, job.owner, job.reason)
        known, settled = self._settled.get(job.id, (None, set()))
        if known != state:
            settled = set()
            self._settled[job.id] = state, settled
        return settled

    def _taken(self, topic: Topic, job: Job) -> None:
        self._metrics.said(topic.name, job.spec.forge, "told")
        self._troubles.over(job)
        place = _place(topic, job)
        if place in self._unsure:
            self._unsure.remove(place)
            self._troubles.put_off(job.id)  # once more, when what was on its way has long arrived
        else:
            self._settled_of(job).add(topic.name)

    def _failed(self, topic: Topic, job: Job, error: CallError) -> None:
        self._troubles.came(topic.name, job, error)
        if isinstance(error, ForgeSilentError):
            self._unsure.add(_place(topic, job))
        elif isinstance(error, ForgeRefusedError):
            self._unsure.discard(_place(topic, job))  # nothing is shown there
            self._settled_of(job).add(topic.name)


class _OpenForges(dict[str, Forge]):
    """Forge → its client, made when it is first asked for."""

    def __init__(self, forges: Mapping[str, Connect], connections: ExitStack) -> None:
        super().__init__()
        self._forges, self._connections = forges, connections

    def __missing__(self, forge: str) -> Forge:
        self[forge] = client = self._connections.enter_context(self._forges[forge]())
        return client


def _place(topic: Topic, job: Job) -> tuple[str, str, str]:
    return f"{job.spec.forge}/{job.spec.repo}", topic.name, topic.place(job)
