"""`GET /jobs/{id}/logs`: who may read a log, from where, in which form.

Owns: the route's parameters and the choice between Redis and the archive.
Leaves to others: framing and following (`log_stream.py`), the archive's layout (`archive.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import structlog
from redis import RedisError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from raibid.api import auth
from raibid.api.archive import Archive
from raibid.api.errors import RETRY_AFTER, ApiError, not_found
from raibid.api.log_stream import PING, Follower, Streams, sse, text
from raibid.api.lookup import find_job
from raibid.api.parts import Parts, parts_of
from raibid.ledger import LogChunk
from raibid.model.job import Job

_log: Final = structlog.get_logger("raibid.api")
_STREAM_ID: Final = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")
_START: Final = "0-0"
_WRITE: Final = 256 * 1024
"""Bytes of an archived log per write."""


@dataclass(frozen=True)
class Wish:
    """What the client asked for."""

    after: str
    plain: bool
    follow: bool


def wish_of(request: Request) -> Wish:
    """Parameters → wish. `Last-Event-ID` (sent by a browser that reconnects) goes before `?after=`.

    Raises:
        ApiError: 400, one of them cannot be understood.
    """
    query = request.query_params
    after = request.headers.get("last-event-id") or query.get("after") or _START
    if not _STREAM_ID.fullmatch(after):
        raise ApiError(400, f"{after[:40]!r} is no id of a log event", "use an event's id, such as 1795258778248-0")
    form = query.get("format", "sse")
    if form not in ("sse", "text"):
        raise ApiError(400, f"format {form[:20]!r}", "use format=sse or format=text")
    plain = form == "text"
    follow = query.get("follow", "0" if plain else "1") not in ("0", "false", "no")
    return Wish(after, plain, follow)


async def logs(request: Request) -> Response:
    """The log from the start, or after an event; live until the job ends."""
    auth.require(request, auth.Scope.READ)
    parts, wish = parts_of(request), wish_of(request)
    job_id: str = request.path_params["job_id"]
    found = await asyncio.to_thread(find_job, parts, job_id)
    if found is None:
        raise not_found(job_id)
    if found.archived:
        return _response(_archived(parts.archive, found.job, wish), wish, parts.streams)
    if parts.streams.full:
        raise ApiError(503, "too many open log streams", "close one, or try again later", RETRY_AFTER)
    return _response(_live(parts, job_id, wish), wish, parts.streams)


class _LogResponse(StreamingResponse):
    """Holds its place among the open streams for as long as it is being sent, however that ends."""

    def __init__(self, content: AsyncIterator[bytes] | Iterator[bytes], media_type: str, streams: Streams) -> None:
        super().__init__(
            content, media_type=media_type, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.slot():
            await super().__call__(scope, receive, send)


def _response(content: AsyncIterator[bytes] | Iterator[bytes], wish: Wish, streams: Streams) -> Response:
    return _LogResponse(content, "text/plain" if wish.plain else "text/event-stream", streams)


async def _live(parts: Parts, job_id: str, wish: Wish) -> AsyncIterator[bytes]:
    async def ended() -> str:
        found = await asyncio.to_thread(find_job, parts, job_id)
        return found.job.status if found and found.job.status.terminal else ""

    follower = Follower(parts.streams.client, parts.ledger.keys, parts.closing, parts.settings.ping_seconds)
    frame = text if wish.plain else sse
    try:
        async for batch in follower.chunks(job_id, wish.after, ended, follow=wish.follow):
            if batch:
                yield b"".join([frame(chunk) for chunk in batch])
            elif not wish.plain:
                yield PING
    except RedisError as error:
        # The answer has begun: all that is left is to end it, so that the client comes back with its last id.
        _log.warning("log stream cut", job=job_id, error=str(error))
        parts.metrics.system_error("log_stream")


def _archived(archive: Archive, job: Job, wish: Wish) -> Iterator[bytes]:
    frame = text if wish.plain else sse
    last, pending, size = wish.after, [], 0
    for chunk in archive.log(job.id, wish.after):
        last = chunk.id
        pending.append(frame(chunk))
        size += len(chunk.data)
        if size >= _WRITE:
            yield b"".join(pending)
            pending, size = [], 0
    pending.append(frame(LogChunk(id=last, end=job.status)))
    yield b"".join(pending)
