"""Routes about jobs: lists, records, why, manual start, cancel, retry, approve.

Owns: parameters in, JSON out.
Leaves to others: every decision and change (`raibid.ledger`), logs (`logs.py`).
Handlers are plain functions: FastAPI runs them in its thread pool, and the ledger's client blocks.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from raibid.api.auth import READ, Caller, is_known
from raibid.api.body import body_of, described
from raibid.api.errors import ApiError, json_response
from raibid.api.listing import Filters, list_jobs
from raibid.api.lookup import existing
from raibid.api.openapi import READING_A_BODY, answers
from raibid.api.parts import parts_of
from raibid.forge import must_be_approved, names
from raibid.ledger import NewJob, Page, Why
from raibid.model.job import JobSpec, JobStatus, Priority
from raibid.model.job_id import is_job_id
from raibid.model.pipeline_types import EnvName

router = APIRouter(tags=["jobs"])
_THE_STEPS_OWN: Final = frozenset({"PATH", "HOME"})


def _parameter(name: str) -> str:
    if name in _THE_STEPS_OWN or name.startswith("LD_"):
        raise ValueError(f"{name} decides which programs a step runs; choose another name")
    return name


def _cursor(value: str) -> str:
    if value and not is_job_id(value):
        raise ValueError("this is no page's cursor")
    return value


ParameterName = Annotated[EnvName, AfterValidator(_parameter)]
ParameterValue = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]  # the kernel's strings end at a NUL


class ManualJob(BaseModel):
    """A job that a person, or a script, starts."""

    model_config = ConfigDict(extra="forbid")

    repo: str = Field(description="owner/name")
    clone_url: str
    ref: str = Field("refs/heads/main", description="a full ref, or the name of a branch")
    sha: str = Field("", description="commit to build; empty: whatever the ref points to")
    params: dict[ParameterName, ParameterValue] = Field({}, max_length=64)
    """Given to the steps as environment variables."""
    priority: Literal["urgent", "high", "normal", "low"] = "normal"
    resource: str = Field("", pattern=r"^[A-Za-z0-9_.-]{0,64}$")

    def spec(self) -> JobSpec:
        """As the ledger takes it. Raises PayloadError."""
        return JobSpec(
            repo=names.repository(self.repo),
            clone_url=names.clone_url(self.clone_url),
            ref=names.ref(self.ref if self.ref.startswith("refs/") else f"refs/heads/{self.ref}"),
            sha=names.sha(self.sha) if self.sha else "",
            event="manual",
            params=self.params,
            priority=Priority[self.priority.upper()],
            resource=self.resource,
        )


@router.get("/jobs", dependencies=[READ], responses=answers("Page"))
def list_(
    request: Request,
    status: Annotated[list[JobStatus] | None, Query()] = None,
    repo: str = "",
    branch: str = "",
    cursor: Annotated[str, AfterValidator(_cursor)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Jobs newest first, archived ones included; tests and annotations as numbers. `cursor` gives the next page."""
    parts = parts_of(request)
    filters = Filters(frozenset(status or ()), repo, branch)
    page = list_jobs(parts.ledger, parts.archive, filters, cursor=cursor, limit=limit, now=datetime.now(UTC))
    return json_response(Page([job.brief for job in page.jobs], page.cursor))


@router.get("/jobs/{job_id}", dependencies=[READ], responses=answers("Job", 404))
def show(request: Request, job_id: str) -> Response:
    """One job's record. A caller without a token gets tests and annotations as numbers: their words are the log's."""
    job = existing(parts_of(request), job_id).job
    return json_response(job if is_known(request) else job.brief)


@router.get("/jobs/{job_id}/why", dependencies=[READ], responses=answers("Why", 404))
def why(request: Request, job_id: str) -> Response:
    """Why the job is where it is: the facts, and `sentence` for people."""
    parts = parts_of(request)
    found = existing(parts, job_id)
    answer = (
        Why(id=job_id, status=found.job.status, reason=found.job.reason) if found.archived else parts.ledger.why(job_id)
    )
    if answer.status is JobStatus.HELD:
        answer = msgspec.structs.replace(answer, reason=found.job.spec.brought_by)
    facts: dict[str, Any] = msgspec.to_builtins(answer)
    return json_response({**facts, "sentence": answer.sentence})


@router.post(
    "/jobs",
    status_code=201,
    responses=answers("Enqueued", 403, *READING_A_BODY, status=201),
    openapi_extra=described(ManualJob),
)
def start(
    request: Request,
    job: Annotated[ManualJob, Depends(body_of(ManualJob))],
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Start a job by hand. The same `Idempotency-Key` again gives the first one's answer."""
    # Without a key each request is a job of its own: the same commit may be built twice on purpose.
    dedupe = f"manual:{idempotency_key or uuid.uuid4().hex}"
    [made] = parts_of(request).ledger.enqueue([NewJob(spec=job.spec(), dedupe=dedupe)])
    return json_response(made, 201 if made.created else 200)


@router.post("/jobs/{job_id}/cancel", responses=answers("Status", 403, 404))
def cancel(request: Request, job_id: str, caller: Caller) -> Response:
    """Cancel a job; a running one ends at its next heartbeat. The status after it."""
    parts = parts_of(request)
    found = existing(parts, job_id)
    return _status(job_id, found.job.status if found.archived else parts.ledger.cancel(job_id, caller))


@router.post("/jobs/{job_id}/retry", status_code=201, responses=answers("Enqueued", 403, 404, 409, status=201))
def retry(request: Request, job_id: str, caller: Caller) -> Response:
    """A new job like this ended one; approval is checked again."""
    del caller  # having one is the permission
    parts = parts_of(request)
    found = existing(parts, job_id)
    if found.archived:
        raise ApiError(409, f"job {job_id} has left the ledger", "start it anew with POST /jobs")
    made = parts.ledger.retry(job_id, hold=must_be_approved(found.job.spec, parts.enrolment))
    return json_response(made, 201 if made.created else 200)


@router.post("/jobs/{job_id}/approve", responses=answers("Status", 403, 404))
def approve(request: Request, job_id: str, caller: Caller) -> Response:
    """Let a held job into the queue. The status after it, unchanged if it was not held."""
    parts = parts_of(request)
    found = existing(parts, job_id)
    return _status(job_id, found.job.status if found.archived else parts.ledger.approve(job_id, caller))


def _status(job_id: str, status: JobStatus) -> Response:
    return json_response({"id": job_id, "status": status})
