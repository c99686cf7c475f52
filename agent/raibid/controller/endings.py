"""How a pod ended and what that means for its job. Pure: a pod's last state in, a verdict out.

Owns: the table of endings.
Leaves to others: pods that do not even start (`hindrances.py`), what a verdict does to a job (`Ledger.pod_ended`).

The words are the kubelet's and the control plane's own, read in Kubernetes v1.34.2: pkg/kubelet/eviction/helpers.go,
pkg/kubelet/active_deadline.go, pkg/kubelet/preemption, pkg/kubelet/nodeshutdown, staging/src/k8s.io/api/core/v1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lightkube.models.core_v1 import ContainerStateTerminated, PodCondition, PodStatus
from lightkube.resources.core_v1 import Event, Pod

from raibid.model.pod import PodEnding, PodVerdict

AGENT_CONTAINER: Final = "agent"
ENDED: Final = frozenset({"Failed", "Succeeded"})
_KILLED: Final = 128 + 9
"""Exit code of a container that got SIGKILL."""

_OWN_LIMIT: Final = re.compile(
    r"Pod ephemeral local storage usage exceeds the total limit"
    r"|Usage of EmptyDir volume .* exceeds the limit"
    r"|Container \S+ exceeded its local ephemeral storage limit"
)
"""Evictions that the build brought about, whatever the node had left; all others are the node's pressure."""


@dataclass(frozen=True)
class PostMortem:
    """What the ledger is told of a pod."""

    ending: PodEnding
    verdict: PodVerdict


@dataclass(frozen=True)
class _Cause:
    verdict: PodVerdict
    reason: str
    message: str = ""
    disruption: bool = False


def post_mortem(pod: Pod, *, deleted: bool = False, warnings: Sequence[Event] = ()) -> PostMortem | None:
    """How a pod ended badly; None while it lives, and when it ended well: then its agent said all there is to say.

    `deleted`: this is its last state, and it is gone.
    """
    status = pod.status or PodStatus()
    lost_node = status.reason == "NodeLost"
    if status.phase not in ENDED and not deleted and not lost_node:
        return None
    exit_ = _exit(pod)
    cause = _cause(pod, status, exit_, deleted=deleted)
    if cause is None:
        return None
    ending = PodEnding(
        pod=name_of(pod),
        reason=cause.reason,
        message=cause.message,
        node=(pod.spec.nodeName if pod.spec else None) or "",
        phase=status.phase or "",
        exit_code=exit_.exitCode if exit_ else None,
        signal=_signal(exit_),
        disruption=cause.disruption,
        started=seconds((exit_.startedAt if exit_ else None) or status.startTime),
        finished=seconds(exit_.finishedAt if exit_ else None),
        events=tuple(words(event) for event in sorted(warnings, key=_moment)),
    )
    return PostMortem(ending.bounded(), cause.verdict)


def gone(pod_name: str) -> PostMortem:
    """A pod that nobody saw end: its job runs on in the ledger, and Kubernetes has never heard of it."""
    message = "the pod is gone and left no trace; it was deleted, or its node was, while nobody watched"
    return PostMortem(PodEnding(pod=pod_name, reason="Gone", message=message, disruption=True), PodVerdict.LOST)


def _cause(pod: Pod, status: PodStatus, exit_: ContainerStateTerminated | None, *, deleted: bool) -> _Cause | None:
    """The first that fits: what the kubelet decided, what the agent says of itself, what the cluster decided."""
    # An agent that gets SIGTERM hands its job back and lives to say so; that its pod failed is the kubelet's decision.
    if (status.phase == "Failed" and status.reason) or status.reason == "NodeLost":
        return _kubelet(status.reason or "", status.message or "")
    if status.phase == "Succeeded" or (exit_ and exit_.exitCode == 0):
        return None
    if target := _disruption(status):
        return _Cause(PodVerdict.LOST, target.reason or "DisruptionTarget", target.message or "", disruption=True)
    # containerd says OOMKilled also when only a step's process was killed; then the agent lives, and reports it.
    if exit_ and exit_.reason == "OOMKilled" and exit_.exitCode == _KILLED:
        return _Cause(PodVerdict.FAIL, "OOMKilled", exit_.message or _memory(pod))
    if _deleted_at_work(pod, status, exit_, gone=deleted):
        return _Cause(PodVerdict.LOST, "Deleted", "the pod was deleted before its agent had ended", disruption=True)
    if exit_:
        return _Cause(PodVerdict.LOST, exit_.reason or "Error", exit_.message or "")
    return _Cause(PodVerdict.LOST, "Failed", status.message or "no container of the pod ever ran")


def _deleted_at_work(pod: Pod, status: PodStatus, exit_: ContainerStateTerminated | None, *, gone: bool) -> bool:
    """Whether somebody deleted the pod before it ended; many are deleted long after, with their Jobs."""
    if status.phase not in ENDED:
        return gone
    metadata = pod.metadata
    if metadata is None or metadata.deletionTimestamp is None:
        return False
    asked = seconds(metadata.deletionTimestamp) - (metadata.deletionGracePeriodSeconds or 0)
    return exit_ is None or not exit_.finishedAt or seconds(exit_.finishedAt) >= asked


def _kubelet(reason: str, message: str) -> _Cause:
    if reason == "DeadlineExceeded" or (reason == "Evicted" and _OWN_LIMIT.search(message)):
        return _Cause(PodVerdict.FAIL, reason, message)
    # Pressure, preemption, shutdown, a lost node, a pod that the node would not admit: nothing of the build's doing.
    return _Cause(PodVerdict.LOST, reason, message, disruption=True)


def _disruption(status: PodStatus) -> PodCondition | None:
    """The condition by which Kubernetes says that it took a pod away: preemption, drain, taint, garbage collection."""
    return next((c for c in status.conditions or () if c.type == "DisruptionTarget" and c.status == "True"), None)


def _exit(pod: Pod) -> ContainerStateTerminated | None:
    """How the agent ended; else how any container ended badly (one that runs before it, say)."""
    status = pod.status or PodStatus()
    named = {s.name: s.state.terminated for s in status.containerStatuses or () if s.state and s.state.terminated}
    if AGENT_CONTAINER in named:
        return named[AGENT_CONTAINER]
    early = [s.state.terminated for s in status.initContainerStatuses or () if s.state and s.state.terminated]
    return next((exit_ for exit_ in [*early, *named.values()] if exit_.exitCode != 0), None)


def _signal(exit_: ContainerStateTerminated | None) -> int:
    """The signal that ended the container: said by few runtimes, but in the exit code by all."""
    if exit_ is None:
        return 0
    return exit_.signal or (exit_.exitCode - 128 if 128 < exit_.exitCode <= 128 + 64 else 0)


def _memory(pod: Pod) -> str:
    limits = [
        container.resources.limits.get("memory")
        for container in (pod.spec.containers if pod.spec else ())
        if container.name == AGENT_CONTAINER and container.resources and container.resources.limits
    ]
    return f"the build used more memory than the pod's limit{''.join(f' of {limit}' for limit in limits if limit)}"


def name_of(thing: Pod) -> str:
    """A pod's name; every object that comes from the API server has one."""
    return (thing.metadata.name if thing.metadata else None) or ""


def words(event: Event) -> str:
    """An event as people read it: `FailedMount: secret "x" not found (3 times)`."""
    times = f" ({event.count} times)" if (event.count or 0) > 1 else ""
    return f"{event.reason or 'Warning'}: {event.message or ''}".rstrip(": ") + times


def latest_first(warnings: Sequence[Event]) -> Iterator[Event]:
    """Events, the latest occurrence first."""
    return iter(sorted(warnings, key=_moment, reverse=True))


def _moment(event: Event) -> float:
    return seconds(event.lastTimestamp or event.eventTime or event.firstTimestamp)


def seconds(moment: datetime | None) -> float:
    """Kubernetes' time as Unix seconds; 0 for not known."""
    return moment.timestamp() if moment else 0.0
