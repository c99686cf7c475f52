"""Records the ledger's side of a run: every transition, and atomic looks in between, in one order.

Owns: the timeline, the standing of each job as far as it was seen.
Leaves to others: judging it (`checker.py`).
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
import redis
from raibid.contract import GROUP, Keys
from raibid.ledger import Depth
from raibid.ledger.errors import translated
from raibid.ledger.records import Records
from raibid.model.job import Job, JobStatus

from tests.chaos.history import Audit, CancelAcknowledged, Owned, Transition

_ALL_EVENTS: Final = 10_000_000
_IN_GROUPS: Final = """\
local found = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'job' then
      local lane = redis.call('HGET', ARGV[1] .. entry[2][i + 1], 'lane') or ''
      local repo, group = lane:match('^([^|]*)|[^|]*|(.+)$')
      if group then found[#found + 1] = { repo .. '|' .. group, entry[2][i + 1] } end
    end
  end
end
return found
"""
"""By what each job's own record says, not by the key that says who has a group: that one may be what is wrong."""


class Observed(Protocol):
    """A ledger that tells its scripts' text."""

    @property
    def client(self) -> redis.Redis: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def records(self) -> Records: ...
    def set_events_kept(self, count: int) -> object: ...
    def text_of(self, script: str) -> str:
        """For a transaction with other commands."""


class Recorder:
    """The timeline so far. `look` is one transaction, so an audit and the transitions before it fit exactly."""

    def __init__(self, ledger: Observed) -> None:
        self._ledger = ledger
        self._seen = "0-0"
        self.timeline: list[Transition | Owned | CancelAcknowledged | Audit] = []
        self.standing: dict[str, JobStatus] = {}
        self.owners: dict[str, str] = {}  #: job → the agent that was last seen with it
        self._by_status: dict[JobStatus, dict[str, None]] = {status: {} for status in JobStatus}
        ledger.set_events_kept(_ALL_EVENTS)

    def look(self) -> Audit:
        """Read what happened since the last look, and audit."""
        keys = self._ledger.keys
        with translated():
            pipe = self._ledger.client.pipeline(transaction=True)
            pipe.eval(self._ledger.text_of("depth"), 1, keys.stream)
            pipe.xrange(keys.stream)
            pipe.eval(_IN_GROUPS, 1, keys.stream, keys.job)
            pipe.xpending_range(keys.stream, GROUP, "-", "+", 10_000)
            pipe.xrange(keys.events, f"({self._seen}")
            reply: Any = pipe.execute()
        depth, entries, in_groups, pending, events = reply
        for event_id, fields in events:
            self._seen = event_id.decode()
            self._record(fields)
        jobs = {entry_id: fields.get(b"job", b"").decode() for entry_id, fields in entries}
        for lease in pending:
            self._see(jobs.get(lease["message_id"], ""), lease["consumer"].decode())
        groups: dict[str, tuple[str, ...]] = {}
        for group, job in in_groups:
            groups[group.decode()] = (*groups.get(group.decode(), ()), job.decode())
        audit = Audit(msgspec.json.decode(depth, type=Depth), tuple(jobs.values()), groups)
        self.timeline.append(audit)
        return audit

    def _record(self, fields: dict[bytes, bytes]) -> None:
        get = {name.decode(): value.decode() for name, value in fields.items()}
        job = get["job"]
        self.timeline.append(
            Transition(job, get["event"], get["from"], get["to"], int(get["attempt"] or 0), id=self._seen)
        )
        if job in self.standing:
            del self._by_status[self.standing[job]][job]
        self.standing[job] = JobStatus(get["to"])
        self._by_status[self.standing[job]][job] = None

    def _see(self, job: str, owner: str) -> None:
        """A released job is still pending for the agent that had it; that is no news."""
        if self.standing.get(job) is JobStatus.RUNNING and self.owners.get(job) != owner:
            self.owners[job] = owner
            self.timeline.append(Owned(job, owner))

    def cancel(self, job: str) -> JobStatus:
        """Cancel a job, and note in the same transaction which was the newest event then."""
        keys = self._ledger.keys
        with translated():
            pipe = self._ledger.client.pipeline(transaction=True)
            pipe.eval(self._ledger.text_of("cancel"), 1, keys.stream, job, "chaos")
            pipe.xrevrange(keys.events, count=1)
            reply: Any = pipe.execute()
        status, newest = JobStatus(reply[0].decode()), reply[1][0][0].decode()
        self.look()
        self.timeline.append(CancelAcknowledged(job, str(status), newest))
        return status

    def of(self, status: JobStatus) -> list[str]:
        """The jobs that stood so at the last look."""
        return list(self._by_status[status])

    @property
    def ended(self) -> int:
        """Jobs that have ended."""
        return sum(len(jobs) for status, jobs in self._by_status.items() if status.terminal)

    @property
    def open(self) -> int:
        """Jobs seen that have not ended."""
        return len(self.standing) - self.ended

    @property
    def backlog(self) -> int:
        """Jobs that will end by themselves; held ones wait for a person."""
        return self.open - len(self._by_status[JobStatus.HELD])

    def records(self) -> dict[str, Job]:
        """Every job's record."""
        found: dict[str, Job] = {}
        page = self._ledger.records.page(limit=1000)
        while True:
            found |= {job.id: job for job in page.jobs}
            if not page.cursor:
                return found
            page = self._ledger.records.page(limit=1000, cursor=page.cursor)
