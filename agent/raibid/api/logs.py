"""`GET /jobs/{id}/logs`: who may read a log, from where, in which form.

Owns: the route's parameters and the choice between Redis and the archive.
Leaves to others: framing and following (`log_stream.py`), the archive's layout (`archive.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import structlog
from redis import RedisError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from raibid.api import auth
from raibid.api.archive import Archive
from raibid.api.errors import ApiError, not_found
from raibid.api.log_stream import PING, CutError, Follower, sse, text
from raibid.api.lookup import Found, find_job
from raibid.api.parts import Parts, parts_of
from raibid.ledger import LedgerError, LogChunk
from raibid.model.job import Job
from raibid.store import StoreError

_log: Final = structlog.get_logger("raibid.api")
_STREAM_ID: Final = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")
_START: Final = "0-0"
_WRITE: Final = 256 * 1024
"""Bytes of an archived log per write."""

Content = AsyncIterator[bytes] | Iterator[bytes]


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
    found = await asyncio.to_thread(_find, parts, job_id)
    if found is None:
        raise not_found(job_id)
    if request.method == "HEAD":
        content: Content = iter(())
    elif found.archived:
        pieces = _archived(parts.archive, found.job, wish)
        # Before the answer begins: a log that is not there must not look like an empty one.
        content = chain([await asyncio.to_thread(next, pieces)], pieces)
    else:
        content = _live(parts, job_id, wish)
    return _LogResponse(content, parts, job_id, wish)


def _find(parts: Parts, job_id: str) -> Found | None:
    """The job, and whether its log is in the archive: of an archived job Redis forgets the log first."""
    found = find_job(parts, job_id)
    if found is None or found.archived or not found.job.status.terminal or not found.job.log_bytes:
        return found
    return Found(found.job, archived=not parts.ledger.logs.read(job_id, count=1))


class _LogResponse(StreamingResponse):
    """Holds its place among the open streams for as long as it is being sent, however that ends."""

    def __init__(self, content: Content, parts: Parts, job_id: str, wish: Wish) -> None:
        super().__init__(
            content,
            media_type="text/plain" if wish.plain else "text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        self._parts = parts
        self._job_id = job_id
        self._plain = wish.plain

    async def stream_response(self, send: Send) -> None:
        """Send the log. One that is cut never looks whole: events lack the `end`, a text lacks HTTP's own."""
        try:
            await super().stream_response(send)
        except (CutError, RedisError, LedgerError, StoreError) as error:
            _log.warning("log stream cut", job=self._job_id, error=str(error))
            if not isinstance(error, CutError):
                self._parts.metrics.system_error("log_stream")
            if not self._plain:
                await send({"type": "http.response.body", "body": b""})
            # Else nothing: the server then closes the connection, which the client sees as an error.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._parts.streams.slot():
            await super().__call__(scope, receive, send)


async def _live(parts: Parts, job_id: str, wish: Wish) -> AsyncIterator[bytes]:
    async def ended() -> str:
        found = await asyncio.to_thread(_find, parts, job_id)
        if found is None or found.archived:
            raise CutError("the log is no longer in Redis")
        return found.job.status if found.job.status.terminal else ""

    follower = Follower(parts.streams.client, parts.ledger.keys, parts.closing, parts.settings.ping_seconds)
    frame = text if wish.plain else sse
    async for batch in follower.chunks(job_id, wish.after, ended, follow=wish.follow):
        if batch:
            yield b"".join([frame(chunk) for chunk in batch])
        elif not wish.plain:
            yield PING


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
