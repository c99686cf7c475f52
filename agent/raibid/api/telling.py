"""Each forge is told where its jobs stand: statuses of all, then what pull requests' builds found.

Owns: which job is told, in which order, when it is told for good.
Leaves to others: who is untold (`raibid.ledger`, in the same atomic step as each transition), what was said of a topic
and may be said now (`lane.py`), saying it (the forges' clients).

A later topic waits for an earlier one where that is in trouble, and never the other way: no status waits for a comment.

Nothing is remembered here that matters: a job leaves the ledger's set only after its forge has taken, or refused, all
that there is to say of it, so an API that dies in between says it once more, which shows the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import structlog

from raibid.api.forges import Connect
from raibid.api.lane import Lane, Topic
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.troubles import MakePatience
from raibid.forge.forge import Forge
from raibid.ledger import Ledger, LedgerError, LedgerUnavailableError
from raibid.model.job import Job

_log: Final = structlog.get_logger("raibid.api")
_MOST: Final = 1_000
"""Jobs looked at in one round."""


class Telling:
    """Tells the forges. One round at a time."""

    def __init__(
        self,
        ledger: Ledger,
        forges: Mapping[str, Connect],
        topics: Sequence[Topic],
        metrics: Metrics,
        *,
        patience: MakePatience = Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`topics`: in the order they are said, each of all jobs before the next."""
        self._ledger = ledger
        self._forges = forges
        self._metrics = metrics
        self._lanes = [Lane(topic, metrics, patience, clock) for topic in topics]
        self._unreadable = patience(5.0, 600.0)

    def round(self, closing: Callable[[], bool] = lambda: False) -> int:
        """Tell what can be told now; of how many jobs something was.

        Raises:
            LedgerError: Redis failed. What is not told stays untold.
        """
        if self._forges and all(map(self._lanes[0].troubles.forge_waits, self._forges)):
            return 0
        # Several may have the same commit: in order of their ids the newest has the last word.
        untold = sorted(self._ledger.untold(_MOST))
        self._metrics.untold(len(untold))
        self._unreadable.keep(untold)
        for lane in self._lanes:
            lane.begin(untold)
        took: set[str] = set()
        with ExitStack() as connections:
            forges = _OpenForges(self._forges, connections)
            for number, lane in enumerate(self._lanes):
                for job in self._in_turn(lane, untold):
                    if closing():
                        return len(took)
                    if lane.waits(job) or any(before.troubles.waits(job) for before in self._lanes[:number]):
                        continue
                    if lane.say(forges, job):
                        took.add(job.id)
                    self._finish(job)
        return len(took)

    def _in_turn(self, lane: Lane, untold: list[str]) -> Iterator[Job]:
        """The jobs of which something is unsaid, as they are when it is their turn. Those in trouble come last, the
        one whose turn is longest overdue first: whatever else fails, each has its turn, and the others before.
        """
        troubled: list[tuple[tuple[float, float], str]] = []
        for job_id in untold:
            job = self._unsaid(lane, job_id)
            if job and any(due := lane.troubles.due(job)):
                troubled.append((due, job_id))
            elif job:
                yield job
        for _, job_id in sorted(troubled):
            if job := self._unsaid(lane, job_id):
                yield job

    def _unsaid(self, lane: Lane, job_id: str) -> Job | None:
        if lane.troubles.job_waits(job_id) or self._unreadable.waits(job_id):
            return None
        job = self._read(job_id)
        return job if job and lane.concerns(job) and not lane.settled(job) else None

    def _read(self, job_id: str) -> Job | None:
        """A job that somebody is to hear of; any other is told with that."""
        try:
            job = self._ledger.records.get(job_id)
        except LedgerUnavailableError:
            raise
        except LedgerError as error:
            if self._unreadable.failed(job_id):
                _log.error("nothing told of an unreadable job", job=job_id, error=str(error))
            return None
        if job is None or job.spec.forge not in self._forges or not job.spec.sha or job.retries:
            # Nobody to tell, or nothing it could be shown at; of a retried job's commit only the retry speaks.
            self._ledger.told(job_id, job)
            return None
        return job

    def _finish(self, job: Job) -> None:
        """The job is told for good once all was said of it in one go."""
        lanes = [lane for lane in self._lanes if lane.concerns(job)]
        rounds = [lane.settled(job) for lane in lanes]
        if 0 in rounds:
            return
        told = len(set(rounds)) == 1
        if told:
            self._ledger.told(job.id, job)
        for lane in lanes:
            # What was said in an earlier round is said again: a second API may have said an older word of it since,
            # or our login may have ended, which one topic alone takes for a refusal.
            lane.finish(job, told=told)


class _OpenForges(dict[str, Forge]):
    """Forge → its client, made when it is first asked for."""

    def __init__(self, forges: Mapping[str, Connect], connections: ExitStack) -> None:
        super().__init__()
        self._forges, self._connections = forges, connections

    def __missing__(self, forge: str) -> Forge:
        self[forge] = client = self._connections.enter_context(self._forges[forge]())
        return client
