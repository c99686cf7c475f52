"""The archive: ended jobs and their logs, for good, in a store.

Owns: the layout (below), writing a job, reading it back.
Leaves to others: when a job is archived (`background.py`), lists (`listing.py`), where the bytes are (`raibid.store`).

    jobs/2026/11/21/<id>.log           the log as it was shown
    jobs/2026/11/21/<id>.chunks.json   [[stream id, bytes], …]: resuming works as it did in Redis
    jobs/2026/11/21/<id>.json          the record; written last, so that it stands for all three
    jobs/2026/11/21/<id>.unread.json   in its place: the fields of a record that could not be read

The day is in the id (its first 48 bits are milliseconds), so a job is found without an index.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import BinaryIO, Final, cast

import msgspec

from raibid.ledger import LogChunk
from raibid.model.job import Job
from raibid.model.job_id import created_at, is_job_id
from raibid.store import NotInStoreError, Store, StoreError

_IN_MEMORY: Final = 1024 * 1024


class ArchiveError(StoreError):
    """What the archive holds cannot be read."""


def folder(day: datetime) -> str:
    """Where a day's jobs are; folders sort as their days do."""
    return day.strftime("jobs/%Y/%m/%d/")


class Archive:
    """Ended jobs in a store. Thread-safe as the store is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, job: Job, chunks: Iterable[LogChunk]) -> None:
        """Keep a job and its log. Again: the same objects again."""
        self._put_log(job.id, chunks)
        self._put_json(job.id, "json", job)

    def put_record(self, job: Job) -> None:
        """Keep a later record of a job whose log is here already."""
        self._put_json(job.id, "json", job)

    def put_unread(self, job_id: str, record: Mapping[str, str], chunks: Iterable[LogChunk]) -> None:
        """Keep what there is of a job whose record cannot be read; no route shows it."""
        self._put_log(job_id, chunks)
        self._put_json(job_id, "unread.json", record)

    def _put_json(self, job_id: str, kind: str, value: object) -> None:
        self._store.put(_key(job_id, kind), io.BytesIO(msgspec.json.encode(value)))

    def _put_log(self, job_id: str, chunks: Iterable[LogChunk]) -> None:
        index: list[tuple[str, int]] = []
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as log:
            for chunk in chunks:
                if chunk.data:
                    log.write(chunk.data)
                    index.append((chunk.id, len(chunk.data)))
            log.seek(0)
            self._store.put(_key(job_id, "log"), cast(BinaryIO, log))
        self._put_json(job_id, "chunks.json", index)

    def job(self, job_id: str) -> Job | None:
        """The record, or None. Raises ArchiveError when it cannot be read."""
        try:
            with closing(self._store.get(_key(job_id, "json"))) as stream:
                return msgspec.json.decode(stream.read(), type=Job)
        except NotInStoreError:
            return None
        except msgspec.MsgspecError as error:
            raise ArchiveError(f"archived job {job_id}: {error}") from error

    def log(self, job_id: str, after: str = "0-0") -> Iterator[LogChunk]:
        """The chunks after an id, as Redis had them.

        Raises:
            NotInStoreError: there is no log; at the first step. ArchiveError: it is not what its index says.
        """
        try:
            with closing(self._store.get(_key(job_id, "chunks.json"))) as stream:
                index = msgspec.json.decode(stream.read(), type=list[tuple[str, int]])
        except msgspec.MsgspecError as error:
            raise ArchiveError(f"archived log of {job_id}: {error}") from error
        start = _order(after)
        with closing(self._store.get(_key(job_id, "log"))) as stream:
            for chunk_id, size in index:
                data = stream.read(size)
                if len(data) != size:
                    raise ArchiveError(f"archived log of {job_id}: it ends within chunk {chunk_id}")
                if _order(chunk_id) > start:
                    yield LogChunk(id=chunk_id, data=data)

    def ids_of_day(self, day: datetime) -> list[str]:
        """Ids archived for a day, newest first; one listing."""
        names = (key.rpartition("/")[2] for key in self._store.list(folder(day)))
        ids = (name.removesuffix(".json") for name in names)
        return sorted((i for i in ids if is_job_id(i)), reverse=True)

    def oldest_folder(self) -> str:
        """The folder of the oldest day that has any job; empty: nothing is archived."""
        return next(self._store.list("jobs/"), "")[: len("jobs/2026/11/21/")]


def _order(stream_id: str) -> tuple[int, int]:
    """Redis' order of stream ids, `milliseconds-sequence`."""
    milliseconds, _, sequence = stream_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def _key(job_id: str, kind: str) -> str:
    return f"{folder(created_at(job_id))}{job_id}.{kind}"
