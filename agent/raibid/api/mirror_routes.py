"""Routes of the mirrors: how each stands to its source, and sync now.

Owns: parameters in, JSON out.
Leaves to others: looking and syncing (`mirror_keeper.py`).
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from raibid.api.auth import READ, Caller
from raibid.api.errors import ApiError, json_response
from raibid.api.openapi import answers
from raibid.api.parts import parts_of

router = APIRouter(tags=["mirrors"])


@router.get("/mirrors", dependencies=[READ], responses=answers("Mirrors"))
def mirrors(request: Request) -> Response:
    """Every mirror: its source, when both were last found equal, why they are not, and whether it is built."""
    keeper = parts_of(request).mirrors
    return json_response({"mirrors": keeper.views() if keeper else []})


@router.post("/mirrors/{owner}/{name}/sync", responses=answers("Syncing", 403, 404, status=202))
def sync(request: Request, caller: Caller, owner: str, name: str) -> Response:
    """Compare with the source soon, and bring what is new; `GET /mirrors` shows how it went."""
    del caller  # having one is the permission
    keeper = parts_of(request).mirrors
    found = keeper.named(f"{owner}/{name}") if keeper else ""
    if not keeper or not found:
        raise ApiError(
            404, f"no mirror {owner}/{name}", "`GET /mirrors` lists them; docs/mirrors.md says how one is made"
        )
    keeper.ask([found])
    return json_response({"mirrors": [found]}, 202)
