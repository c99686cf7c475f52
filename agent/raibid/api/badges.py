"""Status badges: a small SVG per repository and branch, for READMEs.

Owns: the picture, and which job it shows.
Leaves to others: the jobs (`listing.py`). Public: a page's reader has no token. It shows a status and nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from raibid.api.listing import Filters, list_jobs
from raibid.api.parts import parts_of
from raibid.model.job import Job, JobStatus

router = APIRouter(tags=["badges"])
_LOOK_BACK: Final = 20

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
def badge(request: Request, owner: str, repo: str, branch: str = "") -> Response:
    """The state of a branch (by default the default branch) as a badge."""
    parts = parts_of(request)
    page = list_jobs(
        parts.ledger,
        parts.archive,
        Filters(repo=f"{owner}/{repo}", branch=branch),
        cursor="",
        limit=_LOOK_BACK,
        now=datetime.now(UTC),
    )
    job = shown(page.jobs, branch)
    svg = draw("build", *(_LOOKS[job.status] if job else _UNKNOWN))
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})


def shown(jobs: list[Job], branch: str) -> Job | None:
    """The newest job of the branch; without one named, of the repository's default branch."""
    wanted = (job for job in jobs if branch or job.spec.branch == (job.spec.default_branch or job.spec.branch))
    return next(wanted, None)


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
