"""`POST /webhook/github-sync`: GitHub says that a source was pushed to, and its mirrors are synced.

Owns: the order of the checks, the answers.
Leaves to others: the checks (`body.py`, `raibid.forge`), which events count (`raibid.mirror.source_hooks`), the sync
(`mirror_keeper.py`).

The answer is 202 only after the wish is in Redis; every refusal before that leaves nothing behind. The pushed
commit goes with the wish: GitHub may tell of it before its git shows it. A replay asks for looks that find both sides
equal, for a minute.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from raibid.api.body import read_body, require_json
from raibid.api.errors import ApiError, from_ledger, json_response
from raibid.api.parts import Parts, parts_of
from raibid.forge import PayloadError, names, verify
from raibid.ledger import LedgerError
from raibid.mirror import source_hooks

PATH: Final = source_hooks.PATH
_log: Final = structlog.get_logger("raibid.api")
_EVENT: Final = "x-github-event"
_REF: Final = re.compile(r"refs/(heads|tags)/.{1,255}")
_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class _Repository(msgspec.Struct):
    clone_url: str


class _Delivery(msgspec.Struct):
    repository: _Repository
    ref: str = ""
    after: str = ""

    @property
    def pushed(self) -> tuple[str, str]:
        """What is where by now, if it is a push that says so: `create` and `delete` have no commit."""
        told = _REF.fullmatch(self.ref) and _SHA.fullmatch(self.after)
        return (self.ref, self.after) if told else ("", "")


async def github_sync(request: Request) -> Response:
    """Answer one delivery."""
    parts = parts_of(request)
    try:
        response, outcome = await _answer(request, parts)
    except ApiError as error:
        response, outcome = error.response(), str(error.status)
    parts.metrics.webhook("github-sync", outcome)
    return response


async def _answer(request: Request, parts: Parts) -> tuple[Response, str]:
    settings = parts.settings
    body = await read_body(request, limit=settings.github_body_bytes, seconds=settings.body_seconds)
    if not verify(body, request.headers, settings.webhook_secrets):
        raise ApiError(401, "the signature is absent or wrong", "set the webhook's secret to one the API knows")
    require_json(request)
    if request.headers.get(_EVENT, "") not in source_hooks.EVENTS or parts.mirrors is None:
        return Response(status_code=204), "ignored"
    try:
        delivery = msgspec.json.decode(body, type=_Delivery)
        url = names.clone_url(delivery.repository.clone_url)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, PayloadError) as error:
        raise ApiError(400, f"not a delivery of GitHub's: {error}", "deliver push events in GitHub's format") from error
    try:
        found = await asyncio.to_thread(parts.mirrors.of, url)
        await asyncio.to_thread(parts.mirrors.ask, found, *delivery.pushed)
    except LedgerError as error:
        raise from_ledger(error) from error
    if not found:
        return Response(status_code=204), "unknown"
    return json_response({"mirrors": found}, 202), "taken"
