"""A Flux in memory over real repositories: it fetches when it is asked to, applies what builds, fails at the rest.

Owns: what source-controller and kustomize-controller 1.9 write into their objects' status, as far as a rollback
reads it (spec/gitops.md 5.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from raibid.gitops.objects import Ref

from tests.gitops.git_host import GitHost
from tests.gitops.memory_cluster import MemoryCluster, Written

KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
SOURCE = "source.toolkit.fluxcd.io"
FLEET = Ref(SOURCE, "GitRepository", "flux-system", "flux-system")
EARLY = "health check failed after 89ms: failed early due to stalled resources: [Deployment/apps/web]"
REQUESTED = "reconcile.fluxcd.io/requestedAt"


def broken(text: str) -> tuple[str, str]:
    """Reason and message of a file that does not build; empty: it does."""
    if "image: missing" in text:
        return "HealthCheckFailed", "timeout waiting for: [Deployment/apps/web status: 'InProgress']"
    if "age: lost" in text:
        return "BuildFailed", "cannot get sops data key: failed to decrypt"
    return ("BuildFailed", "yaml: line 2: did not find expected node content") if "broken: [" in text else ("", "")


@dataclass
class FluxTwin:
    """Applies `path` of each Kustomization from the fleet's `main`."""

    host: GitHost
    cluster: MemoryCluster
    repository: str
    paths: dict[str, str]
    """Kustomization → the file whose text decides."""
    at_once: bool = True
    """It answers to a request at once; False: only `sync` does."""
    lingers: bool = False
    """A health check that failed is what the next one still reads, whatever that one's commit is: a Deployment that
    missed its deadline says so until the pods of its next revision make progress."""
    judge: Callable[[str], tuple[str, str]] = broken
    attempts: dict[str, list[str]] = field(default_factory=dict)
    """Kustomization → what was attempted, oldest first."""
    _stalled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._put_source("")
        for name in self.paths:
            self.cluster.put(self._kustomization(name, {}, {}))
        self.cluster.react = self._asked
        self.sync()

    def sync(self) -> None:
        """Fetch, and try everything once."""
        sha = self.host.head(self.repository)
        self._put_source(sha)
        for name in self.paths:
            self.attempt(name, sha)

    def attempt(self, name: str, sha: str, *, request: str = "") -> None:
        """One attempt of a Kustomization."""
        ref = self.ref(name)
        before = self.cluster.get(ref)
        status: dict[str, Any] = dict(before.get("status", {}))
        self.attempts.setdefault(name, []).append(sha)
        reason, message = self.judge(self.host.text(self.repository, self.paths[name], sha))
        if self.lingers and not reason and name in self._stalled:
            self._stalled.discard(name)
            reason, message = "HealthCheckFailed", EARLY
        elif reason == "HealthCheckFailed":
            self._stalled.add(name)
        status["lastAttemptedRevision"] = f"main@sha1:{sha}"
        if request:
            status["lastHandledReconcileAt"] = request
        if reason:
            conditions = [
                {"type": "Ready", "status": "False", "reason": reason, "message": message},
                {"type": "Reconciling", "status": "True", "reason": "ProgressingWithRetry", "message": message},
            ]
        else:
            status["lastAppliedRevision"] = f"main@sha1:{sha}"
            conditions = [
                {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": f"Applied {sha}"}
            ]
        self.cluster.put(self._kustomization(name, before.get("metadata", {}), {**status, "conditions": conditions}))

    def ref(self, name: str) -> Ref:
        return Ref(KUSTOMIZE, "Kustomization", "flux-system", name)

    def suspend(self, name: str) -> None:
        """Somebody is at work on it."""
        before = dict(self.cluster.get(self.ref(name)))
        self.cluster.put({**before, "spec": {**before["spec"], "suspend": True}})

    def ready(self, name: str) -> str:
        (found,) = [
            item["status"]
            for item in self.cluster.get(self.ref(name))["status"]["conditions"]
            if item["type"] == "Ready"
        ]
        return str(found)

    def _asked(self, written: Written) -> None:
        if written.verb != "annotate" or REQUESTED not in written.body or not self.at_once:
            return
        if written.ref == FLEET:
            self.sync()
        elif written.ref.kind == "Kustomization":
            sha = self.host.head(self.repository)
            self.attempt(written.ref.name, sha, request=str(written.body[REQUESTED]))

    def _put_source(self, sha: str) -> None:
        status: dict[str, Any] = {}
        if sha:
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            status = {
                "artifact": {"revision": f"main@sha1:{sha}", "lastUpdateTime": at},
                "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored"}],
            }
        self.cluster.put(
            {
                "apiVersion": f"{SOURCE}/v1",
                "kind": "GitRepository",
                "metadata": {"name": FLEET.name, "namespace": FLEET.namespace},
                "spec": {"url": self.host.clone_url(self.repository), "ref": {"branch": "main"}, "interval": "1m"},
                "status": status,
            }
        )

    def _kustomization(self, name: str, metadata: Any, status: dict[str, Any]) -> dict[str, Any]:
        directory = self.paths[name].rpartition("/")[0]
        return {
            "apiVersion": f"{KUSTOMIZE}/v1",
            "kind": "Kustomization",
            "metadata": {**metadata, "name": name, "namespace": "flux-system", "uid": f"uid-of-{name}"},
            "spec": {
                "path": f"./{directory}",
                "interval": "1h",
                "retryInterval": "2m",
                "timeout": "90s",
                "prune": True,
                "sourceRef": {"kind": "GitRepository", "name": FLEET.name},
            },
            "status": status,
        }
