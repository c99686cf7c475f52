"""The Job and its pod: who retries, who ends it, what is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from raibid.scaler.rules.finding import Finding, Rule, Subject, error, warning

_JOB: Final = "spec.jobTargetRef"
_POD: Final = "spec.jobTargetRef.template.spec"
_KUBERNETES_BACKOFF: Final = 6
_KUBERNETES_GRACE: Final = 30
RELEASE_SECONDS: Final = 60
"""From SIGTERM an agent ends its build (SIGTERM, grace, SIGKILL), sends its log's end and releases the job."""


def retries(subject: Subject) -> Iterator[Finding]:
    """backoff-limit, restart-policy, pod-failure-policy: the queue is the only one that retries."""
    job = subject.scaled_job.spec.job_target_ref
    pod = job.template.spec
    if job.backoff_limit != 0:
        shown = f"{_KUBERNETES_BACKOFF} (the default)" if job.backoff_limit is None else str(job.backoff_limit)
        yield error(
            "backoff-limit", f"{_JOB}.backoffLimit",
            f"{shown}: Kubernetes restarts an agent that died while the queue gives its job to another one: surplus "
            "agents, and the queue's three attempts are not the whole truth",
            "backoffLimit: 0",
        )  # fmt: skip
    if pod.restart_policy != "Never":
        shown = pod.restart_policy or "absent, which KEDA turns into OnFailure"
        yield error(
            "restart-policy", f"{_POD}.restartPolicy",
            f"{shown}: the kubelet restarts the agent in its pod, a second authority beside the queue",
            "restartPolicy: Never",
        )  # fmt: skip
    if job.pod_failure_policy is not None:
        yield warning(
            "pod-failure-policy", f"{_JOB}.podFailurePolicy",
            "replaces pods of its own accord: a second authority beside the queue",
            "remove it: a lost lease starts the job again within 30 s",
        )  # fmt: skip


def one_pod(subject: Subject) -> Iterator[Finding]:
    """parallelism, completions: a Job is one agent."""
    job = subject.scaled_job.spec.job_target_ref
    for name, value in (("parallelism", job.parallelism), ("completions", job.completions)):
        if value not in (None, 1):
            yield error(
                name, f"{_JOB}.{name}",
                f"{value}: KEDA counts a Job as one agent, whatever it runs; {name} other than 1 makes every number "
                "of the arithmetic wrong",
                f"{name}: 1",
            )  # fmt: skip


def deadlines(subject: Subject) -> Iterator[Finding]:
    """job-deadline, pod-deadline-missing: a deadline counts from the start of the pod, or it counts Pending too."""
    job = subject.scaled_job.spec.job_target_ref
    if job.active_deadline_seconds is not None:
        yield warning(
            "job-deadline", f"{_JOB}.activeDeadlineSeconds",
            "at the Job it counts while the pod is Pending as well: on a full machine builds are killed early",
            f"activeDeadlineSeconds in {_POD}",
        )  # fmt: skip
    if job.template.spec.active_deadline_seconds is None:
        yield warning(
            "pod-deadline-missing", f"{_POD}.activeDeadlineSeconds",
            "an agent that hangs holds its Job, and with it one place of maxReplicaCount, for ever",
            "activeDeadlineSeconds: 2700, above the longest build's own timeout",
        )  # fmt: skip


def ending(subject: Subject) -> Iterator[Finding]:
    """grace-too-short, ttl-missing: how an agent ends and what stays."""
    job = subject.scaled_job.spec.job_target_ref
    grace = job.template.spec.termination_grace_period_seconds
    if (_KUBERNETES_GRACE if grace is None else grace) < RELEASE_SECONDS:
        shown = f"{_KUBERNETES_GRACE} s (the default)" if grace is None else f"{grace} s"
        yield warning(
            "grace-too-short", f"{_POD}.terminationGracePeriodSeconds",
            f"{shown} from SIGTERM to SIGKILL: the agent may not get to release its job, which then waits out its "
            "lease and loses an attempt",
            f"terminationGracePeriodSeconds: {RELEASE_SECONDS}",
        )  # fmt: skip
    if job.ttl_seconds_after_finished is None:
        yield warning(
            "ttl-missing", f"{_JOB}.ttlSecondsAfterFinished",
            "finished Jobs go only by KEDA's history limits (100 each), and which failed ones go first is arbitrary: "
            "Kubernetes gives failed Jobs no completion time to sort by",
            "ttlSecondsAfterFinished: 86400",
        )  # fmt: skip


RULES: tuple[Rule, ...] = (retries, one_pod, deadlines, ending)
