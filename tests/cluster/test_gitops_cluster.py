"""The GitOps room's own view of a real API server: what it asks, and what each refusal becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from raibid.gitops.kinds import referred
from raibid.gitops.kube_cluster import KubeCluster
from raibid.gitops.objects import Ref, metadata_of
from raibid.kube.errors import (
    KubeConflictError,
    KubeInvalidError,
    KubeNotFoundError,
    KubeRefusedError,
    KubeUnavailableError,
)

from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.tree.emitted import definitions
from tests.waiting import until

NAMESPACE = "gitops-cluster"
STAGE = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", NAMESPACE, "apps")
APPS: dict[str, Any] = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": STAGE.name, "namespace": NAMESPACE},
    "spec": {"interval": "1m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": NAMESPACE},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "registry.raibid.internal/web:1"}]},
        },
    },
}


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def connected(plane: ControlPlane, user: str = "admin", token: str = "") -> KubeCluster:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(plane.kubeconfig(user, token=token)))
        return KubeCluster.connect()


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[KubeCluster]:
    """As the administrator; a namespace of this file's, in which a pod may not use the host's network."""
    levels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in (("enforce", "baseline"),)}
    warned = {**levels, "pod-security.kubernetes.io/warn": "restricted"}
    control_plane.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": warned}},
        *definitions(APPS),
    )
    with connected(control_plane) as cluster:
        until(lambda: applied(cluster, APPS), "the API server serves Kustomizations")
        yield cluster


def applied(cluster: KubeCluster, manifest: Mapping[str, Any]) -> bool:
    try:
        cluster.apply(manifest, manager="tests")
    except KubeNotFoundError:
        cluster.__init__(cluster._client)  # type: ignore[misc]
        return False
    return True
