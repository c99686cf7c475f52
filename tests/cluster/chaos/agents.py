"""The agents of a run as Kubernetes shows them, as far as its API server answers: it is killed, too.

Owns: which run, how many there were, killing one.
Leaves to others: when one is killed (`run.py`).

Looks, and no watch: a Job that is deleted while the API server is down is never told to a watch that begins anew.
"""

from __future__ import annotations

import time
from typing import Final

import httpx2
from lightkube import ApiError, Client
from lightkube.resources.batch_v1 import Job as KubeJob
from lightkube.resources.core_v1 import Pod
from raibid.contract import Labels

from components.agent_pod import NAME, NAMESPACE
from tests.chaos.history import Hit

_PAUSE: Final = 1.0
"""Seconds between two looks: they cost the API server more than the ledger's cost Redis."""


class Agents:
    """What the last answered look has shown, and what was done to them."""

    def __init__(self, kube: Client) -> None:
        self._kube = kube
        self._looked = 0.0
        self.seen: Final[set[str]] = set()
        """Every Job that ever was."""
        self.running: list[str] = []
        """Pods."""
        self.unfinished = self.most = 0
        self.hits: Final[list[Hit]] = []

    def glance(self) -> None:
        """Look, unless that was a moment ago."""
        if time.monotonic() - self._looked >= _PAUSE:
            self.look()

    def look(self) -> bool:
        """Whether the API server answered; if not, everything here is what it was."""
        self._looked = time.monotonic()
        try:
            jobs = list(self._kube.list(KubeJob, namespace=NAMESPACE, labels={Labels.SCALED_JOB: NAME}))
            pods = list(self._kube.list(Pod, namespace=NAMESPACE))
        except httpx2.HTTPError as error:
            if isinstance(error, ApiError) and (error.status.code or 0) < 500:
                raise  # it answered: this is no accident of a server that dies or starts
            return False
        self.seen.update(job.metadata.name for job in jobs if job.metadata and job.metadata.name)
        self.unfinished = sum(not _finished(job) for job in jobs)
        self.most = max(self.most, self.unfinished)
        self.running = [
            pod.metadata.name
            for pod in pods
            if pod.status and pod.status.phase == "Running" and pod.metadata and pod.metadata.name
        ]
        return True

    def kill_one(self) -> bool:
        """SIGKILL one that runs. Whether that is certain; where it is only possible, it is a hit all the same."""
        hit = Hit(self.running[0], "SIGKILL", time.time())
        try:
            self._kube.delete(Pod, hit.owner, namespace=NAMESPACE, grace_period=0)
        except ApiError as error:
            if error.status.code == 404:
                return False  # it ended by itself in the meantime
            raise
        except httpx2.HTTPError:
            self.hits.append(hit)
            return False
        self.hits.append(hit)
        return True


def _finished(job: KubeJob) -> bool:
    conditions = (job.status and job.status.conditions) or []
    return any(one.type in ("Complete", "Failed") and one.status == "True" for one in conditions)
