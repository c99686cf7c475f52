"""Whoever enqueues: asks the API until it has answered, under one idempotency key per job.

Owns: the deliveries of a run, what was acknowledged.
Leaves to others: killing the API under it (`run.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import msgspec
import requests
from raibid.ledger import Enqueued
from raibid.model.job import JobSpec

from tests.chaos.history import Acknowledged

_PAUSE: Final = 0.1


class Deliveries:
    """A client of the API in a thread; before each job it asks whether there is `room` for that number."""

    def __init__(self, jobs: int, spec: JobSpec, url: str, token: str, room: Callable[[int], bool]) -> None:
        self._jobs, self._spec, self._url, self._room = jobs, spec, url, room
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deliveries")
        self.acknowledged: Final[list[Acknowledged]] = []
        self.unanswered = 0

    @property
    def done(self) -> bool:
        """Whether every job was acknowledged."""
        return len(self.acknowledged) >= self._jobs

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        for number in range(self._jobs):
            key = f"chaos-{number}"
            while not self._over.is_set() and (not self._room(number) or not self._deliver(key)):
                self._over.wait(_PAUSE)

    def _deliver(self, key: str) -> bool:
        """Whether the API has answered for this job."""
        body = {
            "repo": self._spec.repo,
            "clone_url": self._spec.clone_url,
            "ref": self._spec.ref,
            "sha": self._spec.sha,
        }
        try:
            answer = self._session.post(f"{self._url}/jobs", json=body, headers={"Idempotency-Key": key}, timeout=15)
        except requests.RequestException:
            self.unanswered += 1
            return False
        if answer.status_code not in (200, 201):
            self.unanswered += 1
            return False
        job = msgspec.json.decode(answer.content, type=Enqueued)
        self.acknowledged.append(Acknowledged(job.id, key, job.created))
        return True
