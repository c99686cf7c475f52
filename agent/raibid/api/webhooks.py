"""The webhook routes: the hot path. Plain Starlette, msgspec, one write for many requests.

Owns: the order of the checks (size, signature, type, event, payload, decision) and the answers.
Leaves to others: the checks themselves (`body.py`, `raibid.forge`), batching (`batcher.py`), what is asked of the forge
before it is decided (`real_changes.py`), a pull request that is over (`closed_pulls.py`).

The answer is 200 only after the ledger has the job; every refusal before that leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from raibid.api import closed_pulls
from raibid.api.body import read_body, require_json
from raibid.api.errors import RETRY_AFTER, ApiError, from_ledger, json_response, unexpected
from raibid.api.parts import Parts, parts_of
from raibid.api.settings import Settings
from raibid.forge import Build, Event, PayloadError, Skip, decide, gitea, github, verify
from raibid.ledger import LedgerError, NewJob
from raibid.model.job import JobStatus
from raibid.model.news import News
from raibid.model.pull_request_event import PullRequestClosed, PullRequestEvent, PullRequestReviewed
from raibid.model.push_event import PushEvent


@dataclass(frozen=True)
class Webhook:
    """One forge's webhook: an ASGI endpoint, which Starlette calls without a wrapper."""

    forge: str
    parse: Callable[[Mapping[str, str], bytes], News | None]
    limit: Callable[[Settings], int]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one delivery."""
        request = Request(scope, receive)
        parts = parts_of(request)
        try:
            response, outcome = await _answer(request, self, parts)
        except ApiError as error:
            response, outcome = error.response(), str(error.status)
        except Exception as error:  # noqa: BLE001 - the short way passes none of the app's error handlers
            response, outcome = await unexpected(request, error), "500"
        parts.metrics.webhook(self.forge, outcome)
        await response(scope, receive, send)


ENDPOINTS: Final = {
    "/webhook/gitea": Webhook("gitea", gitea.parse, lambda settings: settings.gitea_body_bytes),
    "/webhook/github": Webhook("github", github.parse, lambda settings: settings.github_body_bytes),
}


class ShortWay:
    """The app, with a way to its webhook endpoints that passes none of FastAPI's middlewares: 20 µs of 165."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the lifespan."""
        endpoint = ENDPOINTS.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint:
            scope["app"] = self._app
        await (endpoint or self._app)(scope, receive, send)


async def _answer(request: Request, forge: Webhook, parts: Parts) -> tuple[Response, str]:
    settings = parts.settings
    body = await read_body(request, limit=forge.limit(settings), seconds=settings.body_seconds)
    # Before anything is parsed: nobody without a secret reaches a decoder.
    if not verify(body, request.headers, settings.webhook_secrets):
        raise ApiError(401, "the signature is absent or wrong", "set the webhook's secret to one the API knows")
    require_json(request)
    try:
        event = forge.parse(request.headers, body)
    except PayloadError as error:
        raise ApiError(400, str(error), "deliver a push or pull request event in the forge's own format") from error
    if event is None:
        return Response(status_code=204), "ignored"
    try:
        if isinstance(event, PushEvent) and event.changed is not None:
            # Only the batcher is waited for, and it has a timer per batch: another one per request is 10 µs of 165.
            return await _take_in(parts, event)
        async with asyncio.timeout(settings.answer_seconds):
            return await _act_on(parts, event)
    except LedgerError as error:
        raise from_ledger(error) from error
    except TimeoutError as error:
        # What a thread was told to do may yet be done: the same delivery again finds it done, and does the rest.
        raise ApiError(503, "no answer in time", "deliver it again; nothing is taken in twice", RETRY_AFTER) from error


async def _act_on(parts: Parts, event: News) -> tuple[Response, str]:
    if isinstance(event, PullRequestClosed):
        called_off = await asyncio.to_thread(_call_off, parts, event)
        return json_response({"cancelled": called_off}), "closed"
    if isinstance(event, PullRequestReviewed):
        asked = await asyncio.to_thread(parts.approvals.look_again, event)
        return json_response({"asked": asked}), "reviewed"
    return await _take_in(parts, event)


def _call_off(parts: Parts, closed: PullRequestClosed) -> list[str]:
    jobs = closed_pulls.unfinished(parts.ledger, closed.forge, closed.repo, {closed.ref})
    return closed_pulls.call_off(parts.ledger, jobs)


async def _take_in(parts: Parts, event: Event) -> tuple[Response, str]:
    verdict = decide(event, parts.enrolment)
    if event.changed is None and isinstance(verdict, Build):
        verdict = decide(await parts.real_changes.complete(event), parts.enrolment)
    if isinstance(verdict, Skip):
        return json_response({"skipped": verdict.reason}), "skipped"
    job = await parts.batcher.submit(NewJob(spec=verdict.spec, dedupe=verdict.dedupe, hold=verdict.hold, told=True))
    if isinstance(event, PullRequestEvent) and event.reopened and job.status is JobStatus.CANCELLED:
        job = await asyncio.to_thread(closed_pulls.again, parts.ledger, job, verdict.dedupe, hold=verdict.hold)
    return json_response(job), "created" if job.created else "known"
