"""Whether an object is what its manifest asks for: kstatus, the rules that Flux and kubectl's family share.

Owns: the rules by kind, and the generic ones (generation, Reconciling, Stalled, Ready) for every other kind.
Leaves to others: where the object comes from, Argo CD's own health.

Source: kubernetes-sigs/cli-utils, pkg/kstatus/status. Where it differs, and why:
a pod that failed is failed (kstatus only asks whether the controller has finished), one that crashes again and again is
so in its init containers and before it runs, too, and one without a node is in progress: a node may come. A Job that
runs is in progress, as Flux's own reader of Jobs has it, and one is suspended by its spec: its condition may be of the
time before somebody resumed it, and Jobs observe no generation. A StatefulSet with partition 0, which is the API
server's default, is compared by revisions: kstatus takes it for updated by the number of its new pods alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from raibid.gitops.objects import Condition, Manifest, conditions_of, mapping, metadata_of, ref_of, spec_of, status_of


class State(StrEnum):
    """How far an object's controller is."""

    CURRENT = "current"
    IN_PROGRESS = "in progress"
    FAILED = "failed"
    """Nothing comes by waiting."""
    TERMINATING = "terminating"
    NOT_FOUND = "not found"


@dataclass(frozen=True)
class Health:
    """The answer about one object."""

    state: State
    message: str = ""

    @property
    def good(self) -> bool:
        """Whether it is what its manifest asks for."""
        return self.state is State.CURRENT


def health(manifest: Manifest | None) -> Health:
    """The state of an object; None: there is none."""
    if manifest is None:
        return Health(State.NOT_FOUND, "it does not exist")
    if metadata_of(manifest).get("deletionTimestamp"):
        return Health(State.TERMINATING, "it is being deleted")
    found = _unobserved(manifest) or _standard(conditions_of(manifest))
    if found is not None:
        return found
    ref = ref_of(manifest)
    return _BY_KIND.get((ref.group, ref.kind), _by_ready)(manifest)


def _unobserved(manifest: Manifest) -> Health | None:
    generation, observed = metadata_of(manifest).get("generation"), status_of(manifest).get("observedGeneration")
    if generation is None or observed is None or generation == observed:
        return None
    return Health(State.IN_PROGRESS, f"generation {generation} is not observed yet, the last one is {observed}")


def _standard(conditions: Mapping[str, Condition]) -> Health | None:
    for kind, state in (("Reconciling", State.IN_PROGRESS), ("Stalled", State.FAILED)):
        condition = conditions.get(kind)
        if condition is not None and condition.status == "True":
            return Health(state, condition.message)
    return None


def _by_ready(manifest: Manifest) -> Health:
    """What has no rule of its own: its Ready condition, if it has one; else being there is enough."""
    ready = conditions_of(manifest).get("Ready")
    if ready is None or ready.status == "True":
        return Health(State.CURRENT, ready.message if ready else "")
    return Health(State.IN_PROGRESS, ready.message)


def _number(values: Mapping[str, Any], name: str, default: int = 0) -> int:
    value = values.get(name, default)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _short_of(*counts: tuple[str, int, int]) -> Health | None:
    """In progress for the first count that is less than what is wanted: (name, there are, wanted)."""
    for name, there, wanted in counts:
        if there < wanted:
            return Health(State.IN_PROGRESS, f"{name}: {there}/{wanted}")
    return None


def _leftover(there: int, wanted: int) -> Health | None:
    return Health(State.IN_PROGRESS, f"{there - wanted} old pods still end") if there > wanted else None


_NO_DEADLINE: Final = 2**31 - 1
"""What Kubernetes takes for no deadline: the controller then sets no Progressing (deployment_util.go)."""
_ROLLED_OUT: Final = ("True", "NewReplicaSetAvailable")


def _deployment(manifest: Manifest) -> Health:
    spec, status, conditions = spec_of(manifest), status_of(manifest), conditions_of(manifest)
    progressing, available = conditions.get("Progressing"), conditions.get("Available")
    if progressing is not None and progressing.reason == "ProgressDeadlineExceeded":
        return Health(State.FAILED, progressing.message or "progress deadline exceeded")
    wanted, updated = _number(spec, "replicas", 1), _number(status, "updatedReplicas")
    found = (
        _short_of(("replicas", _number(status, "replicas"), wanted), ("updated", updated, wanted))
        or _leftover(_number(status, "replicas"), wanted)
        or _short_of(
            ("available", _number(status, "availableReplicas"), updated),
            ("ready", _number(status, "readyReplicas"), wanted),
        )
    )
    if found is not None:
        return found
    rolled_out = progressing is not None and (progressing.status, progressing.reason) == _ROLLED_OUT
    if _number(spec, "progressDeadlineSeconds", _NO_DEADLINE) != _NO_DEADLINE and not rolled_out:
        return Health(State.IN_PROGRESS, progressing.message if progressing else "its ReplicaSet is not available")
    if available is None or available.status != "True":
        return Health(State.IN_PROGRESS, available.message if available else "it is not available")
    return Health(State.CURRENT, f"{wanted} available")


def _stateful_set(manifest: Manifest) -> Health:
    spec, status = spec_of(manifest), status_of(manifest)
    strategy = mapping(spec.get("updateStrategy"))
    if strategy.get("type") == "OnDelete":
        return Health(State.CURRENT, "its pods change when somebody deletes them (OnDelete)")
    wanted, there = _number(spec, "replicas", 1), _number(status, "replicas")
    counts = _short_of(("replicas", there, wanted), ("ready", _number(status, "readyReplicas"), wanted))
    found = counts or _leftover(there, wanted)
    if found is not None:
        return found
    partition = _number(mapping(strategy.get("rollingUpdate")), "partition", -1)
    if partition > 0:
        found = _short_of(("updated", _number(status, "updatedReplicas"), wanted - partition))
        return found or Health(State.CURRENT, f"updated down to pod {partition} (partition)")
    if status.get("currentRevision") != status.get("updateRevision"):
        return Health(State.IN_PROGRESS, f"updated: {_number(status, 'updatedReplicas')}/{wanted}")
    return Health(State.CURRENT, f"{wanted} ready")


def _daemon_set(manifest: Manifest) -> Health:
    status = status_of(manifest)
    if "observedGeneration" not in status or "desiredNumberScheduled" not in status:
        return Health(State.IN_PROGRESS, "its controller has not seen it yet")
    wanted = _number(status, "desiredNumberScheduled")
    found = _short_of(
        ("scheduled", _number(status, "currentNumberScheduled"), wanted),
        ("updated", _number(status, "updatedNumberScheduled"), wanted),
        ("available", _number(status, "numberAvailable"), wanted),
        ("ready", _number(status, "numberReady"), wanted),
    )
    return found or Health(State.CURRENT, f"{wanted} ready")


def _replica_set(manifest: Manifest) -> Health:
    spec, status = spec_of(manifest), status_of(manifest)
    failure = conditions_of(manifest).get("ReplicaFailure")
    if failure is not None and failure.status == "True":
        return Health(State.IN_PROGRESS, failure.message)
    wanted, there = _number(spec, "replicas", 1), _number(status, "replicas")
    counts = _short_of(
        ("labelled", _number(status, "fullyLabeledReplicas"), wanted),
        ("available", _number(status, "availableReplicas"), wanted),
        ("ready", _number(status, "readyReplicas"), wanted),
    )
    return counts or _leftover(there, wanted) or Health(State.CURRENT, f"{wanted} available")


def _pod(manifest: Manifest) -> Health:
    status, conditions = status_of(manifest), conditions_of(manifest)
    phase = str(status.get("phase", ""))
    ready, waiting = conditions.get("Ready"), waiting_of(manifest)
    if phase == "Succeeded" or (phase == "Running" and ready is not None and ready.status == "True"):
        return Health(State.CURRENT, phase)
    if phase == "Failed":
        return Health(State.FAILED, str(status.get("message") or status.get("reason") or "it failed"))
    if "CrashLoopBackOff" in waiting:
        return Health(State.FAILED, waiting)
    scheduled = conditions.get("PodScheduled")
    if not waiting and scheduled is not None and scheduled.status == "False":
        # In progress, not failed: a node may come, or another pod may end.
        waiting = f"{scheduled.reason}: {scheduled.message}"
    return Health(State.IN_PROGRESS, waiting or phase or "no node has taken it yet")


def waiting_of(pod: Manifest) -> str:
    """Why containers of a pod do not start: `web: ImagePullBackOff: …`; empty if none says."""
    found = []
    status = status_of(pod)
    for field in ("initContainerStatuses", "containerStatuses"):
        statuses = status.get(field)
        for item in map(mapping, statuses if isinstance(statuses, list) else ()):
            waiting = mapping(mapping(item.get("state")).get("waiting"))
            if waiting.get("reason"):
                words = (item.get("name", ""), waiting["reason"], waiting.get("message", ""))
                found.append(": ".join(str(word) for word in words if word))
    return "; ".join(found)


def _job(manifest: Manifest) -> Health:
    status, conditions = status_of(manifest), conditions_of(manifest)
    for kind, state in (("Complete", State.CURRENT), ("Failed", State.FAILED)):
        condition = conditions.get(kind)
        if condition is not None and condition.status == "True":
            return Health(state, condition.message or kind.lower())
    if spec_of(manifest).get("suspend") is True:
        return Health(State.CURRENT, "it is suspended")
    return Health(State.IN_PROGRESS, f"active: {_number(status, 'active')}, failed: {_number(status, 'failed')}")


def _claim(manifest: Manifest) -> Health:
    phase = str(status_of(manifest).get("phase", "")) or "unknown"
    return Health(State.CURRENT if phase == "Bound" else State.IN_PROGRESS, phase)


def _service(manifest: Manifest) -> Health:
    spec = spec_of(manifest)
    if spec.get("type") == "LoadBalancer" and not spec.get("clusterIP"):
        return Health(State.IN_PROGRESS, "no cluster IP yet")
    return Health(State.CURRENT)


def _definition(manifest: Manifest) -> Health:
    conditions = conditions_of(manifest)
    names, established = conditions.get("NamesAccepted"), conditions.get("Established")
    if names is not None and names.status == "False":
        return Health(State.FAILED, names.message)
    if established is None or established.status != "True":
        failed = established is not None and established.status == "False" and established.reason != "Installing"
        return Health(State.FAILED if failed else State.IN_PROGRESS, established.message if established else "")
    return Health(State.CURRENT, established.message)


_BY_KIND: Final[Mapping[tuple[str, str], Callable[[Manifest], Health]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("", "Pod"): _pod,
    ("batch", "Job"): _job,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
