"""A job's log: chunks appended under the fencing token, read from any point.

Owns: the shape of a chunk in Redis.
Leaves to others: masking and cutting (`raibid.worker`), Server-Sent Events (`raibid.api`), the archive.
"""

from __future__ import annotations

from typing import Any, cast

import redis

from raibid.contract import LOG_CAP_BYTES, Keys
from raibid.ledger.errors import StaleTokenError, translated
from raibid.ledger.records import text
from raibid.ledger.results import LogChunk
from raibid.ledger.scripts import Scripts


def chunk_from_fields(entry_id: Any, fields: Any) -> LogChunk:
    """A stream entry → LogChunk (also for readers with a connection of their own)."""
    return LogChunk(
        id=text(entry_id),
        data=fields.get(b"d", b""),
        step=text(fields.get(b"s", b"")),
        attempt=int(fields.get(b"a", 0)),
        end=text(fields.get(b"end", b"")),
    )


class LogWriter:
    """Appends to one job's log. Not thread-safe.

    A call that raised is repeated with the same chunk: if only its answer was lost, the chunk is not stored twice.
    """

    def __init__(self, logs: Logs, job_id: str, token: str) -> None:
        self._logs = logs
        self._job_id = job_id
        self._token = token
        self._number = 1

    def __call__(self, data: bytes, *, step: str = "", cap: int = LOG_CAP_BYTES) -> bool:
        """As `Logs.append`."""
        taken = self._logs.append(self._job_id, self._token, data, step=step, cap=cap, number=self._number)
        self._number += 1
        return taken


class Logs:
    """The logs that Redis still has."""

    def __init__(self, client: redis.Redis, keys: Keys, run: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._run = run

    def writer(self, job_id: str, token: str) -> LogWriter:
        """Appends to this job's log for as long as the token is good."""
        return LogWriter(self, job_id, token)

    def append(
        self, job_id: str, token: str, data: bytes, *, step: str = "", cap: int = LOG_CAP_BYTES, number: int = 0
    ) -> bool:
        """Append a chunk. False: the log is at its cap and the chunk was not taken (cap 0: no cap).

        Numbers rise by one per claim; a chunk whose number was taken before is not stored again (0: not counted).

        Raises:
            StaleTokenError: the job is no longer this agent's.
        """
        with translated():
            reply = text(self._run("append_log", job_id, token, data, step, cap, number))
        if reply == "stale":
            raise StaleTokenError(f"job {job_id} is no longer this agent's")
        return reply == "ok"

    def read(self, job_id: str, after: str = "0-0", count: int = 1000) -> list[LogChunk]:
        """Chunks after an id, oldest first; does not wait."""
        with translated():
            entries = cast(Any, self._client.xrange(self._keys.log + job_id, f"({after}", "+", count))
        return [chunk_from_fields(i, fields) for i, fields in entries]
