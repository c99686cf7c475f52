"""Status badges: a small SVG per repository and branch, for READMEs.

Owns: the picture, and which job it shows.
Leaves to others: the jobs (`listing.py`). Public, for a page's reader has no token: it shows a status and nothing else,
and what it costs is bounded (`remembered.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from raibid.api.listing import Filters, list_jobs
from raibid.api.parts import Parts, parts_of
from raibid.model.job import Job, JobStatus

router = APIRouter(tags=["badges"])
_LOOK_BACK: Final = 20
"""Jobs looked at for one that knows the default branch: manual ones do not."""

_LOOKS: Final[dict[JobStatus, tuple[str, str]]] = {
    JobStatus.SUCCESS: ("passing", "#3fb950"),
    JobStatus.FAILED: ("failing", "#e5534b"),
    JobStatus.DEAD: ("error", "#986ee2"),
    JobStatus.CANCELLED: ("cancelled", "#8b949e"),
    JobStatus.RUNNING: ("running", "#d29922"),
    JobStatus.HELD: ("pending", "#8b949e"),
    JobStatus.WAITING: ("pending", "#8b949e"),
    JobStatus.QUEUED: ("pending", "#8b949e"),
}
_UNKNOWN: Final = ("unknown", "#8b949e")


@router.get(
    "/badges/{owner}/{repo}.svg",
    responses={200: {"description": "the badge; `unknown` when there is no job", "content": {"image/svg+xml": {}}}},
)
async def badge(
    request: Request,
    owner: Annotated[str, Path(max_length=100)],
    repo: Annotated[str, Path(max_length=100)],
    branch: Annotated[str, Query(max_length=255)] = "",
) -> Response:
    """The state of a branch (by default the default branch) as a badge."""
    parts, repository = parts_of(request), f"{owner}/{repo}"

    def drawn() -> str:
        job = _shown(parts, repository, branch)
        return draw("build", *(_LOOKS[job.status] if job else _UNKNOWN))

    svg = await parts.badges.get((repository, branch), drawn)
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})


def _shown(parts: Parts, repository: str, branch: str) -> Job | None:
    """The newest job of the branch; without one named, of the repository's default branch."""
    branch = branch or _default_branch(parts, repository)
    return next(iter(_newest(parts, repository, branch, 1)), None) if branch else None


def _default_branch(parts: Parts, repository: str) -> str:
    """As the newest job that knows says; else the branch that was built last; empty: there is no job."""
    jobs: list[Job] = []
    for limit in (1, _LOOK_BACK):  # nearly always one is enough, and Redis has it
        jobs = _newest(parts, repository, "", limit)
        if known := [job.spec.default_branch for job in jobs if job.spec.default_branch]:
            return known[0]
    return jobs[0].spec.branch if jobs else ""


def _newest(parts: Parts, repository: str, branch: str, limit: int) -> list[Job]:
    filters = Filters(repo=repository, branch=branch)
    return list_jobs(parts.ledger, parts.archive, filters, cursor="", limit=limit, now=datetime.now(UTC)).jobs


def draw(label: str, word: str, colour: str) -> str:
    """The SVG; widths for an 11 px sans-serif, about 6.6 px per letter."""
    left, right = (round(len(text) * 6.6) + 10 for text in (label, word))
    width = left + right
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{label}: {word}">'
        f"<title>{label}: {word}</title>"
        f'<clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2}" y="14">{label}</text><text x="{left + right / 2}" y="14">{word}</text></g></svg>'
    )
