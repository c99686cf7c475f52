"""Which Jobs to create and which finished ones to delete. Pure: template, Jobs and the queue's length in, a plan out.

Owns: direct mode's decision, the Jobs' names and manifest.
Leaves to others: how many agents a queue asks for (`raibid.scaler.arithmetic`), when to probe agents that die at once
(`raibid.scaler.backoff`), carrying the plan out (`creating.py`).

Never too many, even with two controllers at work (a rolling restart, an operator's second replica): a Job's name ends
in its serial number, the next one follows the highest there is, and Kubernetes gives a name only once. Whoever creates
number n therefore knew all Jobs below n: that he took n + 1 although somebody else had created it meanwhile is
answered with a conflict, and he looks again. The highest number is never deleted here, or it would be given twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lightkube.models.batch_v1 import JobCondition, JobStatus
from lightkube.resources.batch_v1 import Job

from raibid.contract import AGENT_APP, POLL_SECONDS, Annotations, Labels
from raibid.controller.endings import seconds
from raibid.controller.errors import TemplateError
from raibid.controller.kube import NUMBERED, Manifest
from raibid.scaler.arithmetic import Scaling, jobs_to_create
from raibid.scaler.backoff import Backoff

POD_START_SECONDS: Final = 5.0
"""From a Job's start to its agent's, and from the agent's end to the Job's: 2.5 s at p95 and about 1 s, measured."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """The CronJob that holds the agents' Job: never run by its schedule, read by the controller and by kubectl."""

    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Manifest
    scaling: Scaling
    succeeded_kept: int
    failed_kept: int


@dataclass(frozen=True, kw_only=True)
class AgentJob:
    """A Job of the pool, KEDA's or ours. Times are Unix seconds, 0 for not yet."""

    name: str
    created: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    succeeded: bool = False
    ready: bool = False  #: its agent runs
    going: bool = False  #: deleted, but something (a finalizer) keeps it

    @property
    def serial(self) -> int:
        """The number in a name of ours; 0 for any other name."""
        match = NUMBERED.fullmatch(self.name)
        return int(match[1]) if match else 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do now. `wanted` is what the queue asks for; `backoff` may allow less."""

    create: tuple[int, ...]  #: serial numbers
    delete: tuple[str, ...]  #: names
    wanted: int
    running: int
    backoff: Backoff


def plan(template: Template, jobs: Sequence[AgentJob], *, queue: int, now: float) -> Plan:
    """What the queue's length asks for, given the Jobs there are. `queue` must have been read after `jobs`.

    The other way round a job that ended in between would be in the queue's length and its Job no longer running:
    one agent too many.
    """
    running = sum(not job.ended for job in jobs)
    wanted = jobs_to_create(template.scaling, metric=queue, running=running)
    backoff = backoff_of(jobs, now=now)
    first = max((job.serial for job in jobs), default=0) + 1
    return Plan(
        create=tuple(range(first, first + backoff.allowed(wanted, running=running, now=now))),
        delete=surplus(jobs, succeeded_kept=template.succeeded_kept, failed_kept=template.failed_kept),
        wanted=wanted,
        running=running,
        backoff=backoff,
    )


def backoff_of(jobs: Sequence[AgentJob], *, now: float) -> Backoff:
    """Whether agents die at once, from the Jobs themselves: the same for a controller that has just started."""
    state = Backoff(first_pause=POLL_SECONDS)
    for job in sorted((job for job in jobs if job.ended), key=lambda job: job.ended):
        lifetime = max(0.0, job.ended - job.started - POD_START_SECONDS)
        state = state.after(exit_code=0 if job.succeeded else 1, lifetime=lifetime, now=job.ended)
    at_work = (job.started for job in jobs if job.ready and not job.ended)
    return state.at(now - POD_START_SECONDS, alive=at_work)


def surplus(jobs: Sequence[AgentJob], *, succeeded_kept: int, failed_kept: int) -> tuple[str, ...]:
    """The oldest finished Jobs above what is kept to be looked at; never the one with the highest number."""
    highest = max(jobs, key=lambda job: job.serial, default=None)
    there = [job for job in jobs if not job.going]
    newest_first = sorted(there, key=lambda job: (job.created, job.serial), reverse=True)
    succeeded = [job for job in newest_first if job.ended and job.succeeded]
    failed = [job for job in newest_first if job.ended and not job.succeeded]
    return tuple(job.name for job in [*succeeded[succeeded_kept:], *failed[failed_kept:]] if job is not highest)


def job_manifest(template: Template, serial: int) -> dict[str, Any]:
    """The Job with that number: the template's, labelled so that KEDA counts it, removed with its CronJob."""
    # Not as its controller: the CronJob's own controller would take it for a Job that it had forgotten.
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": template.name, "uid": template.uid}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{AGENT_APP}-{serial}",
            "labels": {**template.labels, Labels.SCALED_JOB: AGENT_APP},
            "annotations": dict(template.annotations),
            "ownerReferences": [owner],
        },
        "spec": template.spec,
    }


def template_of(cron_job: Manifest) -> Template:
    """A CronJob as the API server gives it → what Jobs are made of.

    Raises:
        TemplateError: an annotation is missing or no number of agents, or it holds no pod.
    """
    metadata, spec = cron_job.get("metadata") or {}, cron_job.get("spec") or {}
    job = spec.get("jobTemplate") or {}
    if not (job.get("spec") or {}).get("template"):
        raise TemplateError(f"CronJob {metadata.get('name')}: spec.jobTemplate holds no pod")
    annotations = metadata.get("annotations") or {}
    about_jobs = job.get("metadata") or {}
    return Template(
        name=metadata["name"],
        uid=metadata["uid"],
        labels=about_jobs.get("labels") or {},
        annotations=about_jobs.get("annotations") or {},
        spec=job["spec"],
        scaling=Scaling(
            max_replicas=_agents(annotations, Annotations.MAX_AGENTS),
            min_replicas=_agents(annotations, Annotations.MIN_AGENTS),
        ),
        succeeded_kept=int(spec.get("successfulJobsHistoryLimit", 3)),  # the API server's own default
        failed_kept=int(spec.get("failedJobsHistoryLimit", 1)),
    )


def agent_job(job: Job) -> AgentJob:
    """A Job as the API server gives it, as far as it decides how many others there should be."""
    status = job.status or JobStatus()
    end = next((c for c in status.conditions or () if c.status == "True" and c.type in ("Complete", "Failed")), None)
    metadata = job.metadata
    return AgentJob(
        name=(metadata and metadata.name) or "",
        created=seconds(metadata.creationTimestamp if metadata else None),
        started=seconds(status.startTime),
        ended=_ended(status, end) if end else 0.0,
        succeeded=end is not None and end.type == "Complete",
        ready=bool(status.ready),
        going=bool(metadata and metadata.deletionTimestamp),
    )


def _ended(status: JobStatus, end: JobCondition) -> float:
    return seconds(status.completionTime or end.lastTransitionTime) or 1.0  # an end without a time is an end


def _agents(annotations: Mapping[str, str], name: str) -> int:
    text = str(annotations.get(name, ""))
    if not re.fullmatch(r"\d{1,4}", text):
        raise TemplateError(f"CronJob: annotation {name} is {text!r}; it must be a number of agents, such as '4'")
    return int(text)
