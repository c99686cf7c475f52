"""Recorded states of Flux and Argo CD on a real API server that has their kinds and none of their controllers.

Owns: completing what a fixture leaves out, putting it there with its status, taking it away again.
Leaves to others: the states (`tests/gitops`), what is read from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import pytest
from raibid.gitops.kube_cluster import KubeCluster

from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.tree.api import Api, Manifest
from tests.cluster.tree.emitted import definitions
from tests.waiting import until

_POD: Final = {"containers": [{"name": "main", "image": "registry.raibid.internal/main:1"}]}
_WORKLOAD: Final = {
    "replicas": 0,
    "selector": {"matchLabels": {"app": "main"}},
    "template": {"metadata": {"labels": {"app": "main"}}, "spec": _POD},
}
_LEFT_OUT: Final[Mapping[str, Mapping[str, Any]]] = {
    "Deployment": _WORKLOAD,
    "StatefulSet": {**_WORKLOAD, "serviceName": "main"},
    "Service": {"ports": [{"port": 80}]},
    "Kustomization": {"interval": "1h", "prune": False},
    "HelmRelease": {"interval": "1h"},
    "HelmChart": {"interval": "1h"},
    "GitRepository": {"interval": "1h"},
}
"""What the API server wants in a spec, and an owner is not found by."""
_KINDS: Final = (
    ("kustomize.toolkit.fluxcd.io/v1", ("Kustomization",)),
    ("helm.toolkit.fluxcd.io/v2", ("HelmRelease",)),
    ("source.toolkit.fluxcd.io/v1", ("GitRepository", "HelmRepository", "HelmChart")),
    ("fluxcd.controlplane.io/v1", ("ResourceSet", "FluxInstance")),
    ("argoproj.io/v1alpha1", ("Application", "ApplicationSet")),
)


_NO_SUBRESOURCE: Final = 404


def connected(plane: ControlPlane) -> KubeCluster:
    """The administrator's view of a control plane that serves the kinds of Flux and Argo CD."""
    wanted = [{"apiVersion": version, "kind": kind} for version, kinds in _KINDS for kind in kinds]
    served(plane, *wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(plane.kubeconfig()))
        return KubeCluster.connect()


def served(plane: ControlPlane, *wanted: Manifest) -> None:
    """Return when the API server has the kinds of these manifests, whoever brought them."""
    found, api = definitions(*wanted), Api(plane)
    plane.apply(*found)
    for crd in found:
        until(partial(_established, api, crd), f"{crd['metadata']['name']} is served")


def _established(api: Api, crd: Manifest) -> bool:
    conditions = api.get(crd).body.get("status", {}).get("conditions") or ()
    return any((item["type"], item["status"]) == ("Established", "True") for item in conditions)


class Placed:
    """A fixture's objects on the API server until it is left; `objects` are they as they were put there."""

    def __init__(self, plane: ControlPlane, found: Sequence[Manifest]) -> None:
        self._plane, self._api = plane, Api(plane)
        self.objects: Final = [_whole(manifest) for manifest in found if "kind" in manifest]

    def __enter__(self) -> Self:
        for namespace in {item["metadata"].get("namespace", "") for item in self.objects} - {""}:
            self._plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for item in self.objects:
            answer = self._api.apply({key: value for key, value in item.items() if key != "status"}, force=True)
            assert answer.accepted, answer.said
            if "status" in item:
                status = {"status": item["status"]}
                told = self._api.merge(item, status, status=True)
                # An Application's status is an ordinary field.
                told = self._api.merge(item, status) if told.status == _NO_SUBRESOURCE else told
                assert told.accepted, told.said
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for item in self.objects:
            self._api.delete(item)


_NOW: Final = "2026-11-21T10:00:00Z"
_ARTIFACT: Final = {
    "digest": f"sha256:{'0' * 64}",
    "lastUpdateTime": _NOW,
    "path": "x",
    "url": "http://x.example.org/x",
}
_RELEASE: Final = {
    "configDigest": f"sha256:{'0' * 64}",
    "digest": f"sha256:{'0' * 64}",
    "firstDeployed": _NOW,
    "lastDeployed": _NOW,
    "status": "deployed",
}


def _whole(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in ("uid", "creationTimestamp")}
    left_out = _LEFT_OUT.get(manifest["kind"])
    spec = {"spec": {**left_out, **manifest.get("spec", {})}} if left_out else {}
    status = dict(manifest.get("status", {}))
    if "artifact" in status:
        status["artifact"] = {**_ARTIFACT, **status["artifact"]}
    if manifest["kind"] == "HelmRelease" and "history" in status:
        status["history"] = [{**_RELEASE, **item} for item in status["history"]]
    return {**manifest, "metadata": metadata, **spec, **({"status": status} if status else {})}
