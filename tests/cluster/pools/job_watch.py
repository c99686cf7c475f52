"""Every Kubernetes Job of a pool, from a watch: how many there were, and how many unfinished at any moment.

Owns: the counts, the times of creation.
Leaves to others: pods (`hands.py`), the ledger's jobs.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Final, Self

from lightkube import Client
from lightkube.resources.batch_v1 import Job

from tests.cluster.pools.watch import Watch


class JobWatch:
    """Counts that no poll could miss: each change is looked at."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.created: Final[dict[str, float]] = {}
        """Name → creation, Unix seconds; Kubernetes knows it to the second."""
        self.seen: Final[dict[str, float]] = {}
        """Name → when this process heard of it."""
        self.finished: Final[dict[str, float]] = {}
        """Name → when this process heard that it is complete or failed."""
        self.deleted: Final[list[str]] = []
        """Those that went while they were not finished."""
        self.peak = 0
        self._unfinished: set[str] = set()
        self._lock = threading.Lock()
        self._watch = Watch(client, Job, namespace, self._changed)

    @property
    def unfinished(self) -> set[str]:
        """Names of those that are neither complete nor failed."""
        with self._lock:
            return set(self._unfinished)

    def __enter__(self) -> Self:
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.__exit__(kind, error, trace)

    def _changed(self, event: str, job: Job) -> None:
        assert job.metadata
        assert job.metadata.creationTimestamp
        name = str(job.metadata.name)
        with self._lock:
            self.seen.setdefault(name, time.time())
            self.created.setdefault(name, job.metadata.creationTimestamp.timestamp())
            if event == "DELETED" and name in self._unfinished and not _finished(job):
                self.deleted.append(name)
            if _finished(job):
                self.finished.setdefault(name, time.time())
            if event == "DELETED" or _finished(job):
                self._unfinished.discard(name)
            else:
                self._unfinished.add(name)
            self.peak = max(self.peak, len(self._unfinished))


def _finished(job: Job) -> bool:
    conditions = (job.status.conditions if job.status else None) or []
    return any(c.type in ("Complete", "Failed") and c.status == "True" for c in conditions)
