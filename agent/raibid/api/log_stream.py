"""A job's log as Server-Sent Events, or as plain text: from Redis while it is there, from the archive after that.

Owns: framing, resuming, following, what ends a stream.
Leaves to others: the chunks (`raibid.ledger.logs`), the route and its token (`logs.py`).

One event per chunk, and a chunk ends anywhere: its text is the event's data lines joined by newlines, so a client
gets the log back by joining the data of all events with nothing between. `id:` is the stream's id.
One write per batch of chunks: 475 k lines/s against 151-170 k with one per line, 2.7-3.0 M with 100 lines to a chunk
(spec/runtime.md 3.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis
import redis.asyncio

from raibid.api.errors import RETRY_AFTER, ApiError
from raibid.contract import Keys
from raibid.ledger import Ledger, LogChunk
from raibid.ledger.logs import chunk_from_fields

_COUNT: Final = 1_000
"""Chunks per read: 16 MiB at most, in practice one."""
PING: Final = b": ping\n\n"
_CONNECTION: Final = frozenset({"host", "port", "db", "username", "password"})


def sse(chunk: LogChunk) -> bytes:
    """One event. A `\\r` would end a line for the client, so it becomes the newline it means."""
    if chunk.end:
        return f"id: {chunk.id}\nevent: end\ndata: {chunk.end}\n\n".encode()
    data = chunk.data
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"id: %b\ndata: %b\n\n" % (chunk.id.encode(), data.replace(b"\n", b"\ndata: "))


def text(chunk: LogChunk) -> bytes:
    """The chunk as it is."""
    return chunk.data


class CutError(Exception):
    """The stream ends before the log does. The client can come back for the rest."""


class Follower:
    """Reads one log from Redis until its end, the process' end, or the client's."""

    def __init__(self, client: redis.asyncio.Redis, keys: Keys, closing: asyncio.Event, ping: float) -> None:
        self._client = client
        self._keys = keys
        self._closing = closing
        self._ping = ping

    async def chunks(
        self, job_id: str, after: str, ended: Callable[[], Awaitable[str]], *, follow: bool
    ) -> AsyncIterator[list[LogChunk]]:
        """Batches of chunks; an empty one when nothing came for a while. Ends after the end's chunk.

        `ended` tells the job's final status (empty: not over): the log itself may have lost its end to somebody's
        DEL. It raises CutError when the log is no longer in Redis.

        Raises:
            CutError: also when the process is asked to end.
        """
        key = self._keys.log + job_id
        while True:
            batch = await self._read(key, after, block=False)
            if not batch:
                status = await ended()
                # Read after the status, or what came between would be lost.
                batch = await self._read(key, after, block=follow and not status)
                if not batch and status:
                    yield [LogChunk(id=after, end=status)]
                    return
                if not batch and not follow:
                    return
            if self._closing.is_set():
                raise CutError("the API is stopping")
            yield batch
            if batch:
                after = batch[-1].id
                if batch[-1].end:
                    return

    async def _read(self, key: str, after: str, *, block: bool) -> list[LogChunk]:
        if not block:
            return _parsed(await self._client.xread({key: after}, count=_COUNT))
        reading = asyncio.ensure_future(
            self._client.xread({key: after}, count=_COUNT, block=max(1, int(self._ping * 1000)))
        )
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
            return _parsed(await reading) if reading.done() else []
        finally:
            closing.cancel()
            reading.cancel()


def _parsed(reply: Any) -> list[LogChunk]:
    if not reply:
        return []
    ((entries,),) = reply.values()  # RESP3: {stream: [entries]}, and one stream was asked for
    return [chunk_from_fields(entry_id, fields) for entry_id, fields in entries]


def streaming_client(ledger: Ledger, most: int) -> redis.asyncio.Redis:
    """An asyncio client for blocking reads on the ledger's Redis, with a connection per stream.

    Without a socket timeout: redis-py 8's default of 5 s cuts blocking reads short (spec/runtime.md 0.1).
    """
    pool = ledger.client.connection_pool
    settings = {k: v for k, v in pool.connection_kwargs.items() if k in _CONNECTION or k.startswith("ssl_")}
    return redis.asyncio.Redis(
        **settings,
        ssl=issubclass(pool.connection_class, redis.SSLConnection),
        protocol=3,
        socket_timeout=None,
        socket_connect_timeout=5.0,
        max_connections=most,
    )


class Streams:
    """The open log streams: their client, and how many there may be."""

    def __init__(self, client: redis.asyncio.Redis, most: int) -> None:
        self.client: Final = client
        self._most = most
        self._open = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a place while a stream is open. Raises ApiError 503 when none is left."""
        if self._open >= self._most:
            raise ApiError(503, "too many open log streams", "close one, or try again later", RETRY_AFTER)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
