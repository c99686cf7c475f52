"""What stands in for the parts that a cluster of plain processes does not have; each says for what.

Owns: a loop that looks at the cluster and does the little that these parts' absence would leave undone.
Leaves to others: everything that the real controllers do from there (ReplicaSets, availability, binding of claims to
volumes, the scheduler's choices).
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

from tests.cluster.tree.api import Answer, Api, Manifest
from tests.cluster.tree.keda_stand_in import hold_and_let_go

_PAUSE: Final = 0.1
_GONE: Final = 404
_CHANGED: Final = 409
NODE: Final = "stand-in"

OPERATORS: Final = (
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
    ("source.toolkit.fluxcd.io/v1", "HelmRepository"),
    ("source.toolkit.fluxcd.io/v1", "OCIRepository"),
    ("notification.toolkit.fluxcd.io/v1", "Receiver"),
    ("keda.sh/v1alpha1", "ScaledJob"),
    ("cert-manager.io/v1", "ClusterIssuer"),
    ("cert-manager.io/v1", "Certificate"),
)
"""Kinds whose operators are not here: helm-, source- and notification-controller, KEDA, cert-manager. To a stage that
waits, all they do is to say Ready; to one that removes them, KEDA does more (`keda_stand_in`)."""


class StandIns:
    """Runs the stand-ins until it is left; `failing` holds objects, `Kind/name`, that never get well."""

    def __init__(self, api: Callable[[], Api], *, operators: Sequence[tuple[str, str]] = OPERATORS) -> None:
        self._connect = api
        self._operators = operators
        self._over = threading.Event()
        self._thread = ThreadPoolExecutor(1, "stand-ins")
        self.failing: set[str] = set()

    def _run(self) -> None:
        api = self._connect()  # a session of its own: one may not be shared between threads
        while not self._over.wait(_PAUSE):
            hold_and_let_go(api)
            for version, kind in self._operators:
                _operate(api, version, kind, self.failing)
            _provision(api)
            _run_pods(api)

    def __enter__(self) -> Self:
        self._work = self._thread.submit(self._run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.shutdown()
        self._work.result()  # a stand-in's own mistake is the test's


def _operate(api: Api, version: str, kind: str, failing: set[str]) -> None:
    """Stands in for an operator: its object is Ready as soon as it is seen."""
    for item in api.list(version, kind):
        wanted = "False" if f"{kind}/{item['metadata']['name']}" in failing else "True"
        status = item.get("status", {})
        generation = item["metadata"]["generation"]
        now = [c["status"] for c in status.get("conditions", []) if c["type"] == "Ready"]
        if now == [wanted] and status.get("observedGeneration", generation) == generation:
            continue
        condition = {"type": "Ready", "status": wanted, "reason": "StandIn", "message": "a stand-in says so"}
        dated = condition if kind == "ScaledJob" else {**condition, "lastTransitionTime": _now()}
        seen = {} if kind in ("ScaledJob", "ClusterIssuer", "Certificate") else {"observedGeneration": generation}
        change = {"status": {"conditions": [dated], **seen}}
        _done(api.merge({"apiVersion": version, "kind": kind, **_named(item)}, change, status=True))


def _provision(api: Api) -> None:
    """Stands in for local-path-provisioner: a volume for each claim that the scheduler chose a node for."""
    for claim in api.list("v1", "PersistentVolumeClaim"):
        chosen = claim["metadata"].get("annotations", {}).get("volume.kubernetes.io/selected-node")
        if claim["status"]["phase"] == "Pending" and chosen:
            _done(api.create(_volume(claim)))


def _volume(claim: Manifest) -> Manifest:
    metadata, spec = claim["metadata"], claim["spec"]
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{metadata['uid']}"},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "storageClassName": spec["storageClassName"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {**reference, "name": metadata["name"], "namespace": metadata["namespace"]},
            "hostPath": {"path": f"/nowhere/{metadata['uid']}"},
        },
    }


def _run_pods(api: Api) -> None:
    """Stands in for a kubelet: what is scheduled runs and is ready at once, what is deleted is gone at once."""
    for pod in api.list("v1", "Pod"):
        identity = {"apiVersion": "v1", "kind": "Pod", **_named(pod)}
        if "deletionTimestamp" in pod["metadata"]:
            _done(api.delete(identity, grace=0))
        elif pod["spec"].get("nodeName") and pod["status"]["phase"] == "Pending":
            _done(api.merge(identity, {"status": _running(pod)}, status=True))


def _done(answer: Answer) -> None:
    """Somebody else may have been there first; anything else is a mistake of the stand-in."""
    assert answer.accepted or answer.status in (_GONE, _CHANGED), answer.said


def _running(pod: Manifest) -> Manifest:
    now = _now()
    kinds = ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        for container in pod["spec"]["containers"]
    ]
    return {"phase": "Running", "startTime": now, "conditions": conditions, "containerStatuses": containers}


def node(cpu: int, memory: int, disk: int) -> list[Manifest]:
    """A node for the scheduler: millicores and bytes that pods may have. First the object, then its status."""
    amounts = {"cpu": f"{cpu}m", "memory": str(memory), "ephemeral-storage": str(disk), "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "StandIn", "lastTransitionTime": _now()}
    return [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}},
        {"status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}},
    ]


def _named(item: Manifest) -> dict[str, Any]:
    metadata = item["metadata"]
    return {"metadata": {key: metadata[key] for key in ("name", "namespace") if key in metadata}}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
