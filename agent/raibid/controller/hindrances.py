"""Why an agent cannot start. Pure: a pod or a Job that got no further in, one line out.

Owns: which waiting is trouble, and for how long it may pass for none.
Leaves to others: telling the ledger (`post_mortem.py`), the end of it: Kubernetes tries again by itself, jobs wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lightkube.models.batch_v1 import JobStatus
from lightkube.models.core_v1 import PodStatus
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Event, Pod

from raibid.controller.endings import latest_first, seconds
from raibid.model.pod import one_line

PATIENCE_SECONDS: Final = 10.0
"""A burst leaves pods unschedulable, or without their volumes, for a second or two while others end."""

_IMAGE: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CONTAINER: Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError", "RunContainerError"}
)
_POD_EVENTS: Final = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "NetworkNotReady"})
_JOB_EVENTS: Final = frozenset({"FailedCreate"})
_MOST: Final = 300


def hindrance(pod: Pod, *, now: float, warnings: Sequence[Event] = ()) -> str:
    """Why the pod cannot start, as Kubernetes says it; empty when nothing hinders it, or not for long yet."""
    if not waiting(pod):
        return ""
    status = pod.status or PodStatus()
    for container in [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]:
        state = container.state.waiting if container.state else None
        if state and state.reason in _IMAGE | _CONTAINER:
            return _line(state.reason, state.message)
    if not slow(pod, now=now):
        return ""
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.reason == "Unschedulable" and condition.status == "False":
            return _line(condition.reason, condition.message)
    return _latest(warnings, _POD_EVENTS)


def waiting(pod: Pod) -> bool:
    """Whether a pod is still to start, and wanted."""
    return bool(pod.status and pod.status.phase == "Pending" and not (pod.metadata and pod.metadata.deletionTimestamp))


def slow(pod: Pod, *, now: float) -> bool:
    """Whether a pod has been where it is for so long that its warnings are worth asking for."""
    if not waiting(pod):
        return False
    status = pod.status or PodStatus()
    since = [
        seconds(condition.lastTransitionTime)
        for condition in status.conditions or ()
        if condition.type == "PodScheduled" and condition.lastTransitionTime
    ]
    created = seconds(pod.metadata.creationTimestamp if pod.metadata else None)
    return now - max(since, default=created) >= PATIENCE_SECONDS


def podless(job: Job, *, now: float) -> bool:
    """Whether a Job that has not ended has had no pod for too long: over quota, or a pod that admission refuses."""
    status = job.status or JobStatus()
    if any(c.status == "True" and c.type in ("Complete", "Failed") for c in status.conditions or ()):
        return False
    if status.active or status.succeeded or status.failed or not (job.metadata and job.metadata.creationTimestamp):
        return False
    return now - seconds(job.metadata.creationTimestamp) >= PATIENCE_SECONDS


def job_hindrance(warnings: Sequence[Event]) -> str:
    """Why Kubernetes makes no pod for a Job; empty when it does not say."""
    return _latest(warnings, _JOB_EVENTS)


def steady(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The present reasons, a pod whose image is missing keeping its first words.

    The kubelet alternates between ErrImagePull and ImagePullBackOff: each turn would be news to every queued job.
    """
    return {
        pod: before[pod] if _about_image(before.get(pod, "")) and _about_image(reason) else reason
        for pod, reason in now.items()
    }


def _about_image(reason: str) -> bool:
    return reason.partition(":")[0] in _IMAGE


def _latest(warnings: Sequence[Event], reasons: frozenset[str]) -> str:
    # Without how often it was seen, as `words` has it: each time would be news to every queued job.
    return next((_line(e.reason, e.message) for e in latest_first(warnings) if e.reason in reasons), "")


def _line(reason: str | None, message: str | None) -> str:
    return one_line(f"{reason}: {message}" if message else str(reason), _MOST)
