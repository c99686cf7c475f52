"""Helm's record of a release, where a HelmRelease has no inventory: read within bounds, or not believed."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from raibid.gitops.objects import Manifest, Ref
from raibid.gitops.owner.find import find
from raibid.gitops.owner.helm_storage import HelmStorageError, rendered, renders
from raibid.gitops.owner.ownership import Verdict

from tests.gitops.memory_cluster import MemoryCluster

MANIFEST = """\
---
# Source: podinfo/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo}
---
# Source: podinfo/templates/role.yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: podinfo}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: podinfo, namespace: web}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: podinfo, namespace: elsewhere}
---
apiVersion: v1
kind: ConfigMapList
items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: podinfo-listed}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: podinfo-migrate, annotations: {helm.sh/hook: pre-upgrade}}
---
{this is: podinfo Deployment, but: [no YAML
"""


def secret(release: Any, *, packed: bytes | None = None) -> dict[str, Any]:
    """As Helm writes it, with the base64 of Kubernetes around Helm's own."""
    inner = gzip.compress(json.dumps(release).encode()) if packed is None else packed
    data = base64.b64encode(base64.b64encode(inner)).decode()
    metadata = {"name": "sh.helm.release.v1.podinfo.v3", "namespace": "helm"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"release": data}}


def deployment(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "podinfo", "namespace": "web", **metadata},
    }


RELEASE: Manifest = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "metadata": {"name": "podinfo", "namespace": "flux-system"},
    "spec": {"targetNamespace": "web", "releaseName": "podinfo"},
    "status": {"storageNamespace": "helm", "history": [{"name": "podinfo", "namespace": "web", "version": 3}]},
}
OLD_RELEASE: Manifest = {
    **RELEASE,
    "apiVersion": "helm.toolkit.fluxcd.io/v2beta1",
    "spec": {"targetNamespace": "web", "releaseName": "podinfo", "storageNamespace": "helm"},
    "status": {"lastReleaseRevision": 3},
}
LABELS = {"helm.toolkit.fluxcd.io/name": "podinfo", "helm.toolkit.fluxcd.io/namespace": "flux-system"}
HELMS_OWN = {"meta.helm.sh/release-name": "podinfo", "meta.helm.sh/release-namespace": "web"}
ABOUT = Ref("apps", "Deployment", "web", "podinfo")


@pytest.mark.parametrize("release", [RELEASE, OLD_RELEASE], ids=["v2", "v2beta1"])
@pytest.mark.parametrize("metadata", [{"labels": LABELS}, {"annotations": HELMS_OWN}], ids=["labels", "annotations"])
def test_a_release_without_an_inventory_is_looked_up_in_helms_record(
    release: Manifest, metadata: dict[str, Any]
) -> None:
    found = find(MemoryCluster.of(deployment(**metadata), release, secret({"manifest": MANIFEST})), ABOUT)

    assert found.claim
    assert found.claim.edit.kind == "HelmRelease"
    assert found.claim.chain[0].how == "release"


def test_labels_that_helms_record_does_not_confirm_were_copied() -> None:
    found = find(MemoryCluster.of(deployment(labels=LABELS), RELEASE, secret({"manifest": ""})), ABOUT)

    assert found.verdict is Verdict.UNMANAGED
    assert any("they were copied" in note for note in found.notes)


def test_no_secret_is_read_unless_something_names_the_release() -> None:
    cluster = MemoryCluster.of(deployment(), RELEASE, secret({"manifest": MANIFEST}))

    assert find(cluster, ABOUT).verdict is Verdict.UNMANAGED
    assert not [path for verb, path in cluster.asked if path.startswith("Secret")]


@pytest.mark.parametrize(
    ("ref", "there"),
    [
        (Ref("apps", "Deployment", "web", "podinfo"), True),
        (Ref("apps", "Deployment", "other", "podinfo"), False),
        (Ref("example.com", "Deployment", "web", "podinfo"), False),
        (Ref("rbac.authorization.k8s.io", "ClusterRole", "", "podinfo"), True),
        (Ref("rbac.authorization.k8s.io", "ClusterRoleBinding", "", "podinfo"), True),
        (Ref("", "ConfigMap", "elsewhere", "podinfo"), True),
        (Ref("", "ConfigMap", "web", "podinfo"), False),
        (Ref("", "ConfigMap", "web", "podinfo-listed"), True),
        (Ref("batch", "Job", "web", "podinfo-migrate"), False),
    ],
    ids=str,
)
def test_only_the_very_object_counts(ref: Ref, there: bool) -> None:
    assert renders(MANIFEST, ref, "web") is there


def test_a_document_that_is_no_yaml_is_none_of_the_release() -> None:
    assert not renders("[" * 10_000 + "podinfo Deployment", ABOUT, "web")


def test_a_record_that_is_not_compressed_is_read_too() -> None:
    assert rendered(secret(None, packed=json.dumps({"manifest": "kind: A"}).encode())) == "kind: A"


@pytest.mark.parametrize(
    "broken",
    [
        {"data": {}},
        {"data": {"release": 7}},
        {"data": {"release": "%%%"}},
        secret(None, packed=b"\x1f\x8b\x08 no gzip"),
        secret(None, packed=b"\xff\xfe"),
        secret(None, packed=b"[" * 100_000),
        secret(None, packed=gzip.compress(b" " * 40_000_000)),
        {"data": {"release": "A" * 3_000_000}},
    ],
    ids=["none", "a number", "no base64", "no gzip", "no text", "too deep", "a bomb", "too large"],
)
def test_what_helm_did_not_write_is_an_error_of_ours(broken: Manifest) -> None:
    with pytest.raises(HelmStorageError):
        rendered(broken)


def test_a_broken_record_is_a_note() -> None:
    found = find(MemoryCluster.of(deployment(labels=LABELS), RELEASE, secret(None, packed=b"?")), ABOUT)

    assert found.verdict is Verdict.UNMANAGED
    assert any("no release in it" in note for note in found.notes)
