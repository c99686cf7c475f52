"""Routes for those who watch the process: alive, ready, metrics."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from raibid.api import auth
from raibid.api.errors import json_response
from raibid.api.parts import parts_of

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers. Says nothing of Redis: restarting the API would not heal that."""
    return json_response({"status": "ok"})


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """Redis answers, so that webhooks can be taken; else 503."""
    parts_of(request).ledger.ping()
    return json_response({"status": "ready"})


@router.get("/metrics", responses={200: {"description": "Prometheus exposition", "content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    parts = parts_of(request)
    if not parts.tokens.public_metrics:
        auth.require(request, auth.Scope.READ)
    return Response(parts.metrics.text(), media_type=CONTENT_TYPE_LATEST)
