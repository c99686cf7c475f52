"""Reading job records: one, or a page of them. Writes nothing but that a job is archived, or untold.

Owns: record hash → `Job`, the order and the filters of lists.
Leaves to others: every change of a record (`*.lua`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
import redis

from raibid.contract import ARCHIVED_LOG_SECONDS, GROUP, Keys
from raibid.ledger.errors import LedgerError, translated
from raibid.ledger.results import Page
from raibid.ledger.scripts import Scripts
from raibid.model.job import Job, JobSpec, JobStatus, Report
from raibid.model.pod import PodEnding

_log: Final = logging.getLogger(__name__)
_SCAN: Final = 200
_SCAN_LIMIT: Final = 5_000  # records looked at per call; a page may then be short but has a cursor


def text(value: Any) -> str:
    """A Redis reply as str."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _shown(value: Any) -> str:
    """Whatever somebody wrote into the stream, as text."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def job_from_hash(job_id: str, record: Mapping[bytes, Any]) -> Job:
    """A record as Redis holds it → Job; the fencing token stays behind.

    Raises:
        LedgerError: the record cannot be read (written by a newer version, or by hand).
    """

    def get(name: bytes) -> str:
        value = record.get(name)
        return "" if value is None else text(value)

    def seconds(name: bytes) -> float:
        return int(get(name) or 0) / 1_000_000

    try:
        return Job(
            id=job_id,
            spec=msgspec.json.decode(record[b"spec"], type=JobSpec),
            status=JobStatus(get(b"status")),
            attempt=int(get(b"attempt") or 0),
            max_attempts=int(get(b"max") or 0),
            refunds=int(get(b"refunds") or 0),
            owner=get(b"owner"),
            cancel_requested=bool(get(b"cancel")),
            superseded_by=get(b"superseded"),
            approved_by=get(b"approved"),
            reason=get(b"stuck") or get(b"reason"),
            retry_of=get(b"retry_of"),
            retries=int(get(b"retries") or 0),
            created=seconds(b"created"),
            admitted=seconds(b"admitted"),
            started=seconds(b"started"),
            finished=seconds(b"finished"),
            log_bytes=int(get(b"log_bytes") or 0),
            report=msgspec.json.decode(record[b"report"], type=Report) if record.get(b"report") else None,
            pods=tuple(msgspec.json.decode(line, type=PodEnding) for line in record.get(b"pods", b"").splitlines()),
        )
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise LedgerError(f"job {job_id}: unreadable record: {error}") from error


class Records:
    """The job records that Redis still has."""

    def __init__(self, client: redis.Redis, keys: Keys, run: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._run = run

    def get(self, job_id: str) -> Job | None:
        """One job, or None."""
        with translated():
            record = cast(dict[bytes, bytes], self._client.hgetall(self._keys.job + job_id))
        return job_from_hash(job_id, record) if record else None

    def raw(self, job_id: str) -> dict[str, str]:
        """A record's fields as they are, for one that cannot be read as a Job; the fencing token stays behind."""
        with translated():
            record = cast(dict[bytes, bytes], self._client.hgetall(self._keys.job + job_id))
        return {_shown(name): _shown(value) for name, value in record.items() if name != b"token"}

    def page(
        self,
        *,
        status: frozenset[JobStatus] = frozenset(),
        repo: str = "",
        branch: str = "",
        cursor: str = "",
        limit: int = 50,
    ) -> Page:
        """Jobs newest first; filters are joined by and; `cursor` is the last page's."""
        found: list[Job] = []
        top, looked = (f"({cursor}" if cursor else "+"), 0
        while looked < _SCAN_LIMIT:
            ids = self._ids(top, _SCAN)
            for job in self._many(ids, status, repo, branch):
                found.append(job)
                if len(found) == limit:
                    return Page(found, job.id)
            if len(ids) < _SCAN:
                return Page(found, "")
            looked += len(ids)
            top = f"({ids[-1]}"
        return Page(found, top[1:])

    def running_owners(self) -> dict[str, float]:
        """The agents that have a job now, and for how many seconds each has not renewed its lease.

        The work is bounded by the window, not by the jobs there are.
        """
        with translated():
            entries = cast(list[tuple[bytes, dict[bytes, bytes]]], self._client.xrange(self._keys.stream))
            pipe = self._client.pipeline(transaction=False)
            for _, fields in entries:
                pipe.hmget(self._keys.job + text(fields.get(b"job", "")), "status", "owner")
            found = zip(entries, pipe.execute(), strict=True)
            running = {entry: text(owner) for (entry, _), (status, owner) in found if status == b"running" and owner}
            silent = self._silent() if running else {}
        return {owner: silent.get(entry, 0.0) for entry, owner in running.items()}

    def _silent(self) -> dict[bytes, float]:
        """Entry in the stream → seconds since an agent took it or renewed its lease."""
        pending: Any = self._client.xpending_range(self._keys.stream, GROUP, "-", "+", _SCAN_LIMIT)
        return {each["message_id"]: each["time_since_delivered"] / 1000 for each in pending}

    def unarchived(self, count: int = 100) -> list[str]:
        """Ids of ended jobs that the archive does not hold yet."""
        with translated():
            return [text(i) for i in cast(list[bytes], self._client.srandmember(self._keys.unarchived, count))]

    def untold(self, count: int) -> list[str]:
        """As `Ledger.untold`."""
        with translated():
            return [text(i) for i in cast(list[bytes], self._client.srandmember(self._keys.untold, count))]

    def tell_again(self, job_id: str) -> None:
        """Mark a job as untold: its forge may show something older than it was told."""
        with translated():
            self._client.sadd(self._keys.untold, job_id)

    def held(self, count: int) -> list[str]:
        """As `Ledger.held`."""
        with translated():
            return [text(i) for i in cast(list[bytes], self._client.zrange(self._keys.held, 0, count - 1))]

    def archived(self, job_id: str, job: Job | None = None) -> bool:
        """Note that the archive holds the job, as it was read; its log leaves Redis soon. Whether it is the first time.

        A job that got a post-mortem since it was read stays unarchived.
        """
        newest = "*" if job is None else job.pods[-1].pod if job.pods else ""
        with translated():
            return bool(self._run("archived", job_id, newest, ARCHIVED_LOG_SECONDS))

    def dead_letters(self, count: int = 100) -> list[tuple[str, dict[str, str]]]:
        """Newest dead letters: entry id and fields (job, reason, at; or raw for an unparseable entry)."""
        with translated():
            entries = cast(Any, self._client.xrevrange(self._keys.dead, count=count))
        return [(text(i), {_shown(k): _shown(v) for k, v in fields.items()}) for i, fields in entries]

    def _ids(self, top: str, count: int) -> list[str]:
        with translated():
            return [text(i) for i in cast(Any, self._client.zrevrangebylex(self._keys.index, top, "-", 0, count))]

    def _many(self, ids: list[str], status: frozenset[JobStatus], repo: str, branch: str) -> list[Job]:
        with translated():
            pipe = self._client.pipeline(transaction=False)
            for job_id in ids:
                pipe.hmget(self._keys.job + job_id, ["status", "repo", "branch"])
            heads: list[Any] = pipe.execute()
            wanted = [
                job_id
                for job_id, (s, r, b) in zip(ids, heads, strict=True)
                if s is not None
                and (not status or text(s) in status)
                and (not repo or text(r) == repo)
                and (not branch or text(b) == branch)
            ]
            pipe = self._client.pipeline(transaction=False)
            for job_id in wanted:
                pipe.hgetall(self._keys.job + job_id)
            full: list[Any] = pipe.execute()
        found = []
        for job_id, record in zip(wanted, full, strict=True):
            if not record:
                continue  # expired since its head was read
            try:
                found.append(job_from_hash(job_id, record))
            except LedgerError as error:
                _log.warning("left out of a list: %s", error)  # one bad record must not hide all others
        return found
