"""Routes about the queue as a whole: depth, pause, limits, dead letters.

Owns: parameters in, JSON out.
Leaves to others: what a pause or a limit does (`raibid.ledger`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from raibid.api.auth import READ, Caller
from raibid.api.body import body_of, described
from raibid.api.errors import ApiError, json_response
from raibid.api.openapi import READING_A_BODY, answers
from raibid.api.parts import parts_of
from raibid.forge import must_be_approved

router = APIRouter(tags=["queue"])
_DEAD_LETTERS = 1_000
"""About as many as the ledger keeps."""

Limit = Annotated[int, Field(ge=0, le=10_000)] | None
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.*/-]{1,201}$")]


class Limits(BaseModel):
    """Jobs at once. What is not named stays as it is; null removes a limit; `*` is each one not named."""

    model_config = ConfigDict(extra="forbid")

    window: Annotated[int, Field(ge=0, le=10_000)] | None = None
    repositories: dict[Name, Limit] = {}
    resources: dict[Name, Limit] = {}


@router.get("/queue", dependencies=[READ], responses=answers("Depth"))
def depth(request: Request) -> Response:
    """An atomic look at the queue."""
    return json_response(parts_of(request).ledger.depth())


@router.post("/queue/pause", responses=answers("Depth", 403))
def pause(request: Request, caller: Caller) -> Response:
    """Start nothing more; running jobs finish. That is also how the pool is drained."""
    del caller  # having one is the permission
    ledger = parts_of(request).ledger
    ledger.pause()
    return json_response(ledger.depth())


@router.post("/queue/resume", responses=answers("Depth", 403))
def resume(request: Request, caller: Caller) -> Response:
    """Undo a pause; the time between ages nobody."""
    del caller
    ledger = parts_of(request).ledger
    ledger.resume()
    return json_response(ledger.depth())


@router.put("/queue/limits", responses=answers("Depth", 403, *READING_A_BODY), openapi_extra=described(Limits))
def limits(request: Request, wanted: Annotated[Limits, Depends(body_of(Limits))]) -> Response:
    """Change limits and the window. The enrolment file's limits come back when the API starts."""
    ledger = parts_of(request).ledger
    if wanted.window is not None:
        ledger.set_window(wanted.window)
    for kind, named in (("repo", wanted.repositories), ("resource", wanted.resources)):
        for name, limit in named.items():
            ledger.set_limit(kind, name, limit)
    return json_response(ledger.depth())


@router.get("/dead", dependencies=[READ], responses=answers("DeadLetters"))
def dead(request: Request) -> Response:
    """Dead letters, newest first: `entry`, and `job` with its `reason`, or `raw` for one that could not be read."""
    letters = parts_of(request).ledger.records.dead_letters(_DEAD_LETTERS)
    return json_response({"dead": [{"entry": entry, **fields} for entry, fields in letters]})


@router.post("/dead/{entry}/requeue", status_code=201, responses=answers("Enqueued", 403, 404, 409, status=201))
def requeue(request: Request, entry: str, caller: Caller) -> Response:
    """A new job like the dead one; the letter is removed."""
    del caller
    parts = parts_of(request)
    letters = dict(parts.ledger.records.dead_letters(_DEAD_LETTERS))
    if entry not in letters:
        raise ApiError(404, f"no dead letter {entry[:40]}", "GET /dead lists them")
    job_id = letters[entry].get("job", "")
    job = parts.ledger.records.get(job_id) if job_id else None
    if job is None:
        raise ApiError(409, f"dead letter {entry} has no job left in the ledger", "start it anew with POST /jobs")
    made = parts.ledger.retry(job_id, hold=must_be_approved(job.spec, parts.enrolment), dead_letter=entry)
    return json_response(made, 201 if made.created else 200)
