"""Hands in the place of kubelets: every pod of a namespace runs at once, as a thread of this process.

Owns: the pods' status as a kubelet would report it (Running, Succeeded, Failed with an exit code), their end when they
are deleted or killed.
Leaves to others: what a pod does (`program`), Jobs (Kubernetes' own controller completes them within about a second).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from lightkube import ApiError, Client
from lightkube.resources.core_v1 import Pod
from lightkube.types import PatchType

from tests.cluster.pools.watch import Watch

KILLED: Final = 137
_MOST: Final = 64


class Run:
    """One pod that runs: its name, and whether it has to end."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.ended: Final = threading.Event()
        """Set when it was killed or deleted, and when its program is over."""
        self.killed = False
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @contextmanager
    def heard_by(self, listener: Callable[[], None]) -> Iterator[None]:
        """Within it, a listener is called when the pod is ended from outside."""
        with self._lock:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def end(self, *, killed: bool = False) -> None:
        """From outside: SIGKILL, or the pod is gone."""
        with self._lock:
            if self.ended.is_set():
                return
            self.killed = killed
            self.ended.set()
            for listener in self._listeners:
                listener()


Program = Callable[[Run], int]
"""What a pod does; its exit code."""


class Hands:
    """Runs the pods of Jobs in one namespace until it is left."""

    def __init__(self, client: Client, namespace: str, program: Program) -> None:
        self._client = client
        self._namespace = namespace
        self._program = program
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._futures: list[Future[None]] = []
        self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="pod")
        self._watch = Watch(client, Pod, namespace, self._changed)

    @property
    def running(self) -> list[str]:
        """Names of the pods whose program runs."""
        with self._lock:
            return [name for name, run in self._runs.items() if not run.ended.is_set()]

    def kill(self, name: str) -> None:
        """SIGKILL: the program says nothing more, the pod has failed."""
        self._runs[name].end(killed=True)

    def __enter__(self) -> Self:
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.__exit__(kind, error, trace)
        for name in self.running:
            self._runs[name].end()
        self._threads.shutdown(wait=True)
        for future in self._futures:
            future.result()  # what went wrong in a pod's thread is told here

    def _changed(self, event: str, pod: Pod) -> None:
        assert pod.metadata
        name = str(pod.metadata.name)
        with self._lock:
            run = self._runs.get(name)
            if event == "DELETED" and run:
                run.end()
            elif event == "ADDED" and not run and pod.status and pod.status.phase == "Pending":
                self._runs[name] = Run(name)
                self._futures.append(self._threads.submit(self._play, self._runs[name]))

    def _play(self, run: Run) -> None:
        self._report(run.name, "Running", {"running": {"startedAt": _now()}})
        code = self._program(run)
        gone = run.ended.is_set() and not run.killed
        run.ended.set()
        if not gone:
            code = KILLED if run.killed else code
            ended = {
                "exitCode": code,
                "startedAt": _now(),
                "finishedAt": _now(),
                "reason": "Error" if code else "Completed",
            }
            self._report(run.name, "Failed" if code else "Succeeded", {"terminated": ended})

    def _report(self, name: str, phase: str, state: dict[str, Any]) -> None:
        container = {"name": "agent", "image": "agent", "imageID": "", "ready": "running" in state, "restartCount": 0}
        status = {"phase": phase, "containerStatuses": [{**container, "state": state}]}
        try:
            self._client.patch(
                Pod.Status, name, {"status": status}, namespace=self._namespace, patch_type=PatchType.MERGE
            )
        except ApiError as error:
            if error.status.code != 404:  # deleted meanwhile
                raise


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
