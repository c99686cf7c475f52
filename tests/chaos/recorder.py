"""Records the ledger's side of a run: every transition, and atomic looks in between, in one order.

Owns: the timeline, the standing of each job as far as it was seen.
Leaves to others: judging it (`checker.py`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from raibid.ledger import Depth, Ledger
from raibid.ledger.errors import translated
from raibid.ledger.scripts import source
from raibid.model.job import Job, JobStatus

from tests.chaos.history import Audit, CancelAcknowledged, Transition

_ALL_EVENTS: Final = 10_000_000


class Recorder:
    """The timeline so far. `look` is one transaction, so an audit and the transitions before it fit exactly."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._depth = source("depth", ledger.keys)
        self._seen = "0-0"
        self.timeline: list[Transition | CancelAcknowledged | Audit] = []
        self.standing: dict[str, JobStatus] = {}
        self.ended = 0
        self._held = 0
        ledger.set_events_kept(_ALL_EVENTS)

    def look(self) -> Audit:
        """Read what happened since the last look, and audit."""
        keys = self._ledger.keys
        with translated():
            pipe = self._ledger.client.pipeline(transaction=True)
            pipe.eval(self._depth, 1, keys.stream)
            pipe.xrange(keys.stream)
            pipe.xrange(keys.events, f"({self._seen}")
            reply: Any = pipe.execute()
        depth, entries, events = reply
        for event_id, fields in events:
            self._record(fields)
            self._seen = event_id.decode()
        jobs = tuple(fields.get(b"job", b"").decode() for _, fields in entries)
        audit = Audit(msgspec.json.decode(depth, type=Depth), jobs)
        self.timeline.append(audit)
        return audit

    def _record(self, fields: dict[bytes, bytes]) -> None:
        get = {name.decode(): value.decode() for name, value in fields.items()}
        step = Transition(get["job"], get["event"], get["from"], get["to"], int(get["attempt"] or 0))
        self.timeline.append(step)
        status = JobStatus(step.after)
        self.ended += status.terminal and not self.standing.get(step.job, status.HELD).terminal
        self._held += (step.after == JobStatus.HELD) - (step.before == JobStatus.HELD)
        self.standing[step.job] = status

    def cancel(self, job: str) -> JobStatus:
        """Cancel a job, and note where in the timeline the answer came."""
        status = self._ledger.cancel(job, by="chaos")
        self.look()
        self.timeline.append(CancelAcknowledged(job, str(status)))
        return status

    def of(self, status: JobStatus) -> list[str]:
        """The jobs that stood so at the last look."""
        return [job for job, now in self.standing.items() if now is status]

    @property
    def open(self) -> int:
        """Jobs seen that have not ended."""
        return len(self.standing) - self.ended

    @property
    def backlog(self) -> int:
        """Jobs that will end by themselves; held ones wait for a person."""
        return self.open - self._held

    def records(self) -> dict[str, Job]:
        """Every job's record."""
        found: dict[str, Job] = {}
        page = self._ledger.records.page(limit=1000)
        while True:
            found |= {job.id: job for job in page.jobs}
            if not page.cursor:
                return found
            page = self._ledger.records.page(limit=1000, cursor=page.cursor)
