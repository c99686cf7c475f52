"""The OpenAPI document: FastAPI's, plus the plain routes and the schemas of the pool's own structs.

Owns: how answers and errors are described.
Leaves to others: the routes.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from raibid.api.cron import Crontab
from raibid.api.look import Look
from raibid.api.mirror_view import MirrorView
from raibid.api.reconcile_report import Reconciliation
from raibid.ledger import Depth, Enqueued, Page, Why
from raibid.model.job import Job, JobStatus


class Error(msgspec.Struct, frozen=True):
    """Every answer that is not a success."""

    error: str
    remedy: str  #: what to do about it


class Status(msgspec.Struct, frozen=True):
    """A job's status after a change."""

    id: str
    status: JobStatus


class Skipped(msgspec.Struct, frozen=True):
    """A delivery that is fine and builds nothing."""

    skipped: str  #: the reason


class CalledOff(msgspec.Struct, frozen=True):
    """A pull request that is over."""

    cancelled: list[str]  #: its unfinished jobs


class Asked(msgspec.Struct, frozen=True):
    """A pull request that was reviewed."""

    asked: list[str]  #: its held job, about which the forge is asked once more


class Looks(msgspec.Struct, frozen=True):
    """The answer to a wish to look now."""

    process: str  #: that answers: it alone counts so
    round: int  #: 202: the round to wait for, as `GET /reconcile` counts them
    looks: list[Look]


class Mirrors(msgspec.Struct, frozen=True):
    """Every mirror, by name."""

    mirrors: list[MirrorView]


class Syncing(msgspec.Struct, frozen=True):
    """Mirrors that are looked at soon."""

    mirrors: list[str]


class DeadLetters(msgspec.Struct, frozen=True):
    """Dead letters, newest first."""

    dead: list[dict[str, str]]


READING_A_BODY: Final = (400, 408, 413, 415, 422)
"""Errors of every route that reads one."""
_ERRORS: Final = {
    400: "cannot be understood",
    401: "no valid token, or no valid signature",
    403: "the token lacks the write scope",
    404: "no such thing",
    408: "the body did not arrive in time",
    409: "not in this state",
    413: "the body is too large",
    415: "not application/json",
    422: "a parameter is wrong",
    503: "Redis is down or full; try again after Retry-After",
}


def answers(name: str, *errors: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """A route's `responses`: what it gives, and the errors beyond those that every route has."""
    good = {"description": "OK", "content": {"application/json": {"schema": _ref(name)}}}
    return {status: good, **{code: _error(code) for code in sorted({401, 503, *errors})}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _error(code: int) -> dict[str, Any]:
    return {"description": _ERRORS[code], "content": {"application/json": {"schema": _ref("Error")}}}


def describe(app: FastAPI, *, public_url: str) -> None:
    """Make `app.openapi()` complete."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                servers=[{"url": public_url}] if public_url else None,
            )
            document["paths"] |= _PLAIN_PATHS
            components = document.setdefault("components", {})
            components.setdefault("schemas", {}).update(_schemas())
            components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
            for path, methods in document["paths"].items():
                for operation in methods.values():
                    if not path.startswith(_OPEN):
                        operation["security"] = [{"bearer": []}]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


_OPEN: Final = ("/webhook/", "/badges/", "/healthz", "/readyz", "/metrics")


def _schemas() -> dict[str, Any]:
    types = [
        Asked, CalledOff, Crontab, Depth, Enqueued, Error, DeadLetters, Job, Looks, Mirrors, Page, Reconciliation,
        Skipped, Status, Syncing, Why,
    ]  # fmt: skip
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas["Why"]["properties"]["sentence"] = {"type": "string", "description": "one line for people"}
    return dict(schemas)


def _webhook(forge: str, header: str) -> dict[str, Any]:
    taken = {"description": "taken in, or skipped with the reason; called off; or asked about"}
    schema = {"oneOf": [_ref(name) for name in ("Enqueued", "Skipped", "CalledOff", "Asked")]}
    return {
        "post": {
            "tags": ["webhooks"],
            "summary": f"A webhook delivery of {forge}",
            "description": "Signed with HMAC-SHA256 over the raw body. 200 only after the ledger has the job; "
            "the same push again gives the same id.",
            "operationId": f"webhook_{forge.lower()}",
            "parameters": [_parameter("header", header, "hex HMAC-SHA256 of the body", required=True)],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
            "responses": {
                "200": taken | {"content": {"application/json": {"schema": schema}}},
                "204": {"description": "an event the pool does not act on"},
                **{str(code): _error(code) for code in (400, 401, 408, 413, 415, 503)},
            },
        }
    }


def _parameter(where: str, name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {"in": where, "name": name, "required": required, "description": description, "schema": {"type": "string"}}


_PLAIN_PATHS: Final[dict[str, Any]] = {
    "/webhook/gitea": _webhook("Gitea", "X-Gitea-Signature"),
    "/webhook/github": _webhook("GitHub", "X-Hub-Signature-256"),
    "/webhook/github-sync": {
        "post": {
            **_webhook("GitHub-Sync", "X-Hub-Signature-256")["post"],
            "summary": "GitHub tells that a mirror's source was pushed to",
            "description": "202 once the wish to sync is in Redis; 204: no mirror of ours, or no push.",
            "responses": {
                "202": {"description": "OK", "content": {"application/json": {"schema": _ref("Syncing")}}},
                "204": {"description": "nothing to sync"},
                **{str(code): _error(code) for code in (400, 401, 408, 413, 415, 503)},
            },
        }
    },
    "/jobs/{job_id}/logs": {
        "get": {
            "tags": ["jobs"],
            "summary": "A job's log",
            "description": "Server-Sent Events, live until the job ends: one event per chunk, whose data lines joined "
            "by newlines are the chunk; a chunk ends anywhere, so join the data of all events with nothing between. "
            "The last event is `end` with the final status.",
            "operationId": "logs",
            "parameters": [
                _parameter("path", "job_id", "the job", required=True),
                _parameter("query", "format", "`sse` (default) or `text`"),
                _parameter("query", "follow", "1: live until the end (default for sse); 0: what there is now"),
                _parameter("query", "after", "id of the last event already seen"),
                _parameter("header", "Last-Event-ID", "the same, as browsers send it; goes before `after`"),
            ],
            "responses": {
                "200": {
                    "description": "the log",
                    "content": {"text/event-stream": {}, "text/plain": {}},
                },
                **{str(code): _error(code) for code in (400, 401, 404, 503)},
            },
        }
    },
}
