"""The route of cron: what is built when.

Owns: JSON out.
Leaves to others: the times (`cron.py`).
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from raibid.api.auth import READ
from raibid.api.errors import json_response
from raibid.api.openapi import answers
from raibid.api.parts import parts_of

router = APIRouter(tags=["cron"])


@router.get("/cron", dependencies=[READ], responses=answers("Crontab"))
def cron(request: Request) -> Response:
    """Every schedule of the enrolment file: the next times, the latest one and its job; soonest first."""
    return json_response(parts_of(request).cron.upcoming())
