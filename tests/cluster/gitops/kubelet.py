"""Stands in for a node: what a scheduler and a kubelet would say about pods, which nobody runs.

Owns: the statuses of pods, by the image that they ask for.
Leaves to others: everything that the real controllers make of them (ReplicaSets, availability, deadlines).
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

from tests.cluster.tree.api import Api, Manifest

MISSING: Final = "registry.raibid.internal/missing:1"
"""An image that no registry has."""
SICK: Final = "registry.raibid.internal/sick:1"
"""An image whose program runs and never answers its readiness probe."""
_PAUSE: Final = 0.1
_ELSEWHERE: Final = frozenset({404, 409})


class Kubelet:
    """Gives every pod its status until it is left."""

    def __init__(self, api: Callable[[], Api]) -> None:
        self._connect = api
        self._over = threading.Event()
        self._thread = ThreadPoolExecutor(1, "kubelet")

    def _run(self) -> None:
        api = self._connect()  # a session of its own: one may not be shared between threads
        while not self._over.wait(_PAUSE):
            for pod in api.list("v1", "Pod"):
                if "deletionTimestamp" in pod["metadata"] or pod["status"].get("containerStatuses"):
                    continue
                which = {key: pod["metadata"][key] for key in ("name", "namespace")}
                change = {"status": _status({item["name"]: item["image"] for item in pod["spec"]["containers"]})}
                answer = api.merge({"apiVersion": "v1", "kind": "Pod", "metadata": which}, change, status=True)
                assert answer.accepted or answer.status in _ELSEWHERE, answer.said

    def __enter__(self) -> Self:
        self._work = self._thread.submit(self._run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.shutdown()
        self._work.result()  # its own mistake is the test's


def _status(images: Mapping[str, str]) -> Mapping[str, Any]:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    here = MISSING not in images.values()
    ready = here and SICK not in images.values()
    conditions = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
    return {
        "phase": "Running" if here else "Pending",
        "startTime": now,
        "conditions": [
            {"type": kind, "status": str(value), "lastTransitionTime": now} for kind, value in conditions.items()
        ],
        "containerStatuses": [_container(name, image, now) for name, image in images.items()],
    }


def _container(name: str, image: str, now: str) -> Manifest:
    waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
    return {
        "name": name,
        "image": image,
        "imageID": "" if image == MISSING else image,
        "ready": image not in (MISSING, SICK),
        "restartCount": 0,
        "state": {"waiting": waiting} if image == MISSING else {"running": {"startedAt": now}},
    }
