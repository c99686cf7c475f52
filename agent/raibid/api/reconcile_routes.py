"""Routes of the reconciler: what it found, and look now.

Owns: parameters in, JSON out.
Leaves to others: looking (`reconciler.py`, `look.py`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from raibid.api.auth import READ, Caller
from raibid.api.errors import RETRY_AFTER, ApiError, json_response
from raibid.api.openapi import answers
from raibid.api.parts import parts_of
from raibid.api.reconciler import round_now
from raibid.forge import names
from raibid.forge.errors import CallError

router = APIRouter(tags=["reconciler"])


@router.get("/reconcile", dependencies=[READ], responses=answers("Reconciliation"))
def report(request: Request) -> Response:
    """What the last round found at each forge, and the heads that were healed, newest first."""
    return json_response(parts_of(request).reconciler.report())


@router.post("/reconcile", responses=answers("Looks", 400, 403, 404) | answers("Looks", status=202))
def now(
    request: Request, caller: Caller, repo: Annotated[str, Query(description="owner/name; all of them without")] = ""
) -> Response:
    """Look now: at one repository, with the answer what was found; at all, with the number of the round to wait for."""
    del caller  # having one is the permission
    parts = parts_of(request)
    if not repo:
        number, is_first = parts.reconciler.ask_for_round()
        answer = json_response({"process": parts.reconciler.process, "round": number, "looks": []}, 202)
        if is_first:
            answer.background = BackgroundTask(round_now, parts.reconciler, parts.closing.is_set)
        return answer
    try:
        looks = parts.reconciler.look_at(names.repository(repo))
    except CallError as error:
        raise ApiError(503, str(error), "try again when the forge answers", RETRY_AFTER) from error
    if all(look.skipped for look in looks):
        why = "; ".join(look.skipped for look in looks) or "no forge is reconciled: none has an address"
        raise ApiError(404, why, "enrol it, or see why no forge is asked in the API's log")
    report = parts.reconciler.report()
    return json_response({"process": report.process, "round": report.round, "looks": looks})
