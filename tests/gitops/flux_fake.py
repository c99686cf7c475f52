"""Flux' controllers over a cluster in memory: they do what a test says, when they are asked to reconcile.

Owns: the statuses that source-controller and kustomize-controller leave after fetching, applying, failing.
Leaves to others: the cluster (`memory_cluster.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from raibid.gitops.objects import Ref, annotations_of
from raibid.gitops.settings import GitopsSettings
from raibid.gitops.watch.follow import claim_of, follow
from raibid.gitops.watch.outcome import Result

from tests.gitops.history import NEW, OLD, contains, revision
from tests.gitops.memory_cluster import MemoryCluster, Written

FLEET = Ref("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "fleet")
REQUESTED = "reconcile.fluxcd.io/requestedAt"


def kustomization(name: str) -> Ref:
    return Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", name)


APPS = kustomization("apps")
WEB = Ref("apps", "Deployment", "demo", "web")


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def retrying(sha: str) -> dict[str, Any]:
    message = f"Building manifests for revision {revision(sha)} with a timeout of 1m0s"
    return condition("Reconciling", "True", "ProgressingWithRetry", message)


class FakeFlux:
    """One repository, some Kustomizations that read it, one Deployment; all at OLD and well."""

    def __init__(self, *names: str, depends: Mapping[str, str] | None = None, **how: Any) -> None:
        self.cluster = MemoryCluster(react=self._react, **how)
        self.depends = depends or {}
        self.asked: list[Ref] = []
        self.on_request: Any = lambda: None
        """What the controllers do when the source is asked."""
        self.url = "https://gitea.dgx.local/raibid/fleet.git"
        self._handled: dict[Ref, str] = {}
        self._inventory: tuple[str, ...] = ()
        self.fetch(OLD)
        for name in names or ("apps",):
            self.apply(name, OLD)
        self.deploy()

    def _react(self, written: Written) -> None:
        if written.verb != "annotate":
            return
        self.asked.append(written.ref)
        self._handled[written.ref] = str(written.body[REQUESTED])
        self.on_request()

    def fetch(self, sha: str, **spec: Any) -> Self:
        """The source has a commit."""
        self._put_source(sha, spec, condition("Ready", "True", "Succeeded", f"stored artifact for {revision(sha)}"))
        return self

    def cannot_fetch(self, message: str) -> Self:
        self._put_source(OLD, {}, condition("Ready", "False", "GitOperationFailed", message))
        return self

    def apply(self, name: str, sha: str) -> Self:
        """A Kustomization has applied a commit, and is ready."""
        ready = condition("Ready", "True", "ReconciliationSucceeded", f"Applied revision: {revision(sha)}")
        self._put_applier(name, sha, sha, ready)
        return self

    def fail(self, name: str, sha: str, reason: str = "BuildFailed", message: str = "kustomize build failed") -> Self:
        """A Kustomization has attempted a commit, and failed."""
        self._put_applier(name, OLD, sha, condition("Ready", "False", reason, message), retrying(sha))
        return self

    def hold(self, name: str, message: str) -> Self:
        """A Kustomization waits for another one."""
        self._put_applier(name, OLD, OLD, condition("Ready", "False", "DependencyNotReady", message))
        return self

    def begin(self, name: str, sha: str) -> Self:
        """A Kustomization attempts a commit."""
        doing = condition("Reconciling", "True", "Progressing", f"Running health checks for revision {revision(sha)}")
        self._put_applier(name, OLD, sha, condition("Ready", "Unknown", "Progressing", "in progress"), doing)
        return self

    def deploy(
        self, *, available: int = 1, generation: int = 1, managed: Sequence[Any] = (), **progressing: str
    ) -> Self:
        """The Deployment, as its controller left it."""
        said = {"status": "True", "reason": "NewReplicaSetAvailable", **progressing}
        self.cluster.put(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": WEB.name, "namespace": WEB.namespace, "generation": generation,
                    "managedFields": [*managed],
                },
                "spec": {"replicas": 1, "progressDeadlineSeconds": 60},
                "status": {
                    "observedGeneration": generation, "replicas": 1, "updatedReplicas": 1,
                    "readyReplicas": available, "availableReplicas": available,
                    "conditions": [
                        condition("Available", "True" if available else "False", "MinimumReplicas", "availability"),
                        condition("Progressing", said["status"], said["reason"], said.get("message", "")),
                    ],
                },
            }
        )  # fmt: skip
        return self

    def manage(self, *ids: str) -> None:
        """What every Kustomization has in its inventory from its next status on."""
        self._inventory = ids

    def _put_source(self, sha: str, spec: Mapping[str, Any], *conditions: Mapping[str, Any]) -> None:
        status = {"artifact": {"revision": revision(sha)}, "conditions": [*conditions]}
        self._put(FLEET, {"url": self.url, "ref": {"branch": "main"}, **spec}, status)

    def _put_applier(self, name: str, applied: str, attempted: str, *conditions: Mapping[str, Any]) -> None:
        spec: dict[str, Any] = {"path": f"./{name}", "sourceRef": {"kind": "GitRepository", "name": "fleet"}}
        if name in self.depends:
            spec["dependsOn"] = [{"name": self.depends[name]}]
        revisions = {"lastAppliedRevision": revision(applied), "lastAttemptedRevision": revision(attempted)}
        inventory = {"entries": [{"id": found, "v": "v1"} for found in self._inventory]}
        self._put(kustomization(name), spec, {**revisions, "conditions": [*conditions], "inventory": inventory})

    def _put(self, ref: Ref, spec: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        if ref in self._handled:
            status = {**status, "lastHandledReconcileAt": self._handled[ref]}
        kept = annotations_of(self.cluster.get(ref)) if ref in self.cluster else {}
        metadata = {"name": ref.name, "namespace": ref.namespace, "generation": 1, "annotations": kept}
        api_version = f"{ref.group}/v1"
        self.cluster.put(
            {"apiVersion": api_version, "kind": ref.kind, "metadata": metadata, "spec": spec, "status": status}
        )


def followed(flux: FakeFlux, sha: str = NEW, *, edit: Ref | None = None, **how: Any) -> Result:
    claims = how.pop("claims", (claim_of(APPS, edit=edit),))
    return follow(flux.cluster, claims, sha, **{"settings": GitopsSettings(), "contains": contains, **how})
