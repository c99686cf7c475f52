"""The GitOps room's own view of a real API server: what it asks, and what each refusal becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from raibid.gitops import kube_cluster
from raibid.gitops.kinds import referred
from raibid.gitops.kube_cluster import KubeCluster
from raibid.gitops.objects import Ref, annotations_of, metadata_of, ref_of
from raibid.kube.errors import (
    KubeConflictError,
    KubeError,
    KubeInvalidError,
    KubeNotFoundError,
    KubeRefusedError,
    KubeUnavailableError,
)

from tests.cluster.gitops.recorded import served
from tests.cluster.parts.control_plane import ControlPlane

NAMESPACE = "gitops-cluster"
APPS: dict[str, Any] = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": "apps", "namespace": NAMESPACE},
    "spec": {"interval": "1m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
}
STAGE = ref_of(APPS)
LEVELS = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}


def config_map(name: str, **data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def deployment(container: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    pod = {"containers": [{"name": "web", "image": "registry.raibid.internal/web:1", **(container or {})}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            **spec,
        },
    }


def pod(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "web", "image": "registry.raibid.internal/web:1"}]
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


def connected(plane: ControlPlane, user: str = "admin", token: str = "") -> KubeCluster:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(plane.kubeconfig(user, token=token)))
        return KubeCluster.connect()


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    """With a namespace of this file's, in which pods may not use the host's network."""
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": LEVELS}})
    return control_plane


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane) -> Iterator[KubeCluster]:
    """As the administrator; Kustomizations are served."""
    served(plane, APPS)
    with connected(plane) as cluster:
        yield cluster


def refused(cluster: KubeCluster, manifest: Mapping[str, Any]) -> KubeError:
    """What becomes of a manifest that the API server does not take; nothing is stored."""
    with pytest.raises(KubeError) as caught:
        cluster.apply(manifest, manager="tests", dry_run=True)
    return caught.value


def test_a_kind_that_comes_while_it_runs_is_found(
    plane: ControlPlane, cluster: KubeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = ("notification.toolkit.fluxcd.io", "Receiver")
    with pytest.raises(KubeNotFoundError):
        cluster.kind(*late)
    served(plane, {"apiVersion": f"{late[0]}/v1", "kind": late[1]})
    monkeypatch.setattr(kube_cluster, "_KINDS_FRESH", 0.0)
    assert cluster.kind(*late).plural == "receivers"


@pytest.mark.parametrize("typed", ["deploy/web", "Deployment/web", "deployments.apps/web", "deployment.v1.apps/web"])
def test_a_kind_is_meant_as_kubectl_takes_it(cluster: KubeCluster, typed: str) -> None:
    assert referred(typed, NAMESPACE, cluster.kinds()) == Ref("apps", "Deployment", NAMESPACE, "web")


def test_events_are_those_of_the_core_group(cluster: KubeCluster) -> None:
    assert referred("ev/x", "", cluster.kinds()).group == ""


def test_every_listable_kind_can_be_listed(cluster: KubeCluster) -> None:
    for kind in cluster.kinds():
        if "list" in kind.verbs:
            found = cluster.objects(kind.group, kind.kind)
            assert all((item["apiVersion"], item["kind"]) == (kind.api_version, kind.kind) for item in found)


def test_an_applied_object_is_there_as_it_was_said(cluster: KubeCluster) -> None:
    wanted = config_map("said", key="value")
    assert cluster.apply(wanted, manager="tests").manifest["data"] == {"key": "value"}
    assert cluster.get(ref_of(wanted))["data"] == {"key": "value"}


def test_a_dry_run_stores_nothing(cluster: KubeCluster) -> None:
    wanted = config_map("dry")
    cluster.apply(wanted, manager="tests", dry_run=True)
    with pytest.raises(KubeNotFoundError):
        cluster.get(ref_of(wanted))


def test_a_list_longer_than_a_page_is_whole(cluster: KubeCluster) -> None:
    for number in range(501):
        cluster.create(config_map(f"page-{number}"))
    names = {metadata_of(item)["name"] for item in cluster.objects("", "ConfigMap", NAMESPACE)}
    assert {f"page-{number}" for number in range(501)} <= names


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (deployment(replcas=1), ".spec.replcas: field not declared in schema"),
        (deployment(replicas="two"), ".spec.replicas: expected numeric"),
        (deployment(replicas=-1), "must be greater than or equal to 0"),
        (deployment({"imagee": "x"}), "imagee: field not declared"),
        ({**APPS, "spec": {**APPS["spec"], "intervall": "1m"}}, ".spec.intervall: field not declared"),
        ({**APPS, "spec": {**APPS["spec"], "prune": "yes"}}, ".spec.prune: expected boolean"),
        ({**APPS, "spec": {**APPS["spec"], "interval": "soon"}}, "spec.interval"),
        (config_map("set", key={1}), "not JSON serializable"),
        (pod("host", hostNetwork=True), "violates PodSecurity"),
    ],
    ids=[
        "unknown-field", "wrong-type", "out-of-range", "unknown-field-in-a-list", "unknown-field-of-a-custom-kind",
        "wrong-type-of-a-custom-kind", "pattern-of-a-custom-kind", "no-json", "admission",
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_taken_is_invalid(cluster: KubeCluster, manifest: Mapping[str, Any], words: str) -> None:
    found = refused(cluster, manifest)
    assert isinstance(found, KubeInvalidError)
    assert words in str(found)


@pytest.mark.parametrize(
    "manifest",
    [
        {**deployment(), "metadata": {"name": "web"}},
        {**deployment(), "metadata": {"name": "web", "namespace": "nowhere"}},
        {**deployment(), "apiVersion": "apps/v1beta1"},
        {**deployment(), "kind": "Deploiment"},
    ],
    ids=["no-namespace", "unknown-namespace", "version-of-old", "unknown-kind"],
)
def test_a_manifest_for_which_there_is_no_place_is_not_found(cluster: KubeCluster, manifest: Mapping[str, Any]) -> None:
    assert isinstance(refused(cluster, manifest), KubeNotFoundError)


def test_a_field_of_another_manager_is_a_conflict_unless_forced(cluster: KubeCluster) -> None:
    cluster.apply(config_map("shared", key="theirs"), manager="kustomize-controller")
    with pytest.raises(KubeConflictError, match="kustomize-controller"):
        cluster.apply(config_map("shared", key="mine"), manager="tests")
    assert cluster.apply(config_map("shared", key="mine"), manager="tests", force=True).manifest["data"] == {
        "key": "mine"
    }


def test_what_admission_warns_of_is_handed_on(cluster: KubeCluster) -> None:
    (warning,) = cluster.apply(pod("plain"), manager="tests", dry_run=True).warnings
    assert warning.startswith("would violate PodSecurity")


def test_annotations_are_added_to_those_that_are_there(cluster: KubeCluster) -> None:
    cluster.apply(APPS, manager="tests")
    for key in ("reconcile.fluxcd.io/requestedAt", "reconcile.fluxcd.io/forceAt"):
        cluster.annotate(STAGE, **{key: "now"})
    found = annotations_of(cluster.get(STAGE))
    assert set(found) == {"reconcile.fluxcd.io/requestedAt", "reconcile.fluxcd.io/forceAt"}


def test_a_watch_shows_what_is_there_then_what_changes_and_ends(cluster: KubeCluster) -> None:
    cluster.apply(APPS, manager="tests")
    seen = []
    for found in cluster.watch(STAGE.group, STAGE.kind, NAMESPACE, seconds=2):
        seen.append(annotations_of(found).get("seen"))
        if len(seen) == 1:
            cluster.annotate(STAGE, seen="yes")
    assert seen == [None, "yes"]


def test_an_event_is_told_of_its_object(cluster: KubeCluster) -> None:
    cluster.apply(APPS, manager="tests")
    at = "2026-11-21T23:00:00Z"
    about = {"apiVersion": APPS["apiVersion"], "kind": STAGE.kind, "name": STAGE.name, "namespace": NAMESPACE}
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "apps.", "namespace": NAMESPACE},
            "involvedObject": about,
            "reason": "RolledBack",
            "message": "taken back",
            "type": "Warning",
            "source": {"component": "raibid"},
            "firstTimestamp": at,
            "lastTimestamp": at,
        }
    )
    (happening,) = cluster.happenings(STAGE)
    assert (happening.type, happening.reason, happening.message) == ("Warning", "RolledBack", "taken back")
    assert (happening.at, happening.source) == (at, "raibid")
    assert cluster.happenings(Ref(STAGE.group, STAGE.kind, NAMESPACE, "other")) == []


def test_a_name_leads_nowhere_else(cluster: KubeCluster) -> None:
    for name in ("../secrets/x", "..", ".", "x?watch=1", "x/status", "%2e%2e"):
        with pytest.raises(KubeError):
            cluster.get(Ref("", "ConfigMap", NAMESPACE, name))


def test_who_has_no_right_is_refused_and_told_which(plane: ControlPlane) -> None:
    token = plane.kubectl("-n", NAMESPACE, "create", "token", "default").strip()
    with connected(plane, "stranger", token) as stranger:
        asked = (
            lambda: stranger.get(Ref("", "Secret", NAMESPACE, "x")),
            lambda: stranger.objects("", "Secret"),
            lambda: list(stranger.watch("", "Secret", seconds=1)),
            lambda: stranger.apply(config_map("x"), manager="tests", dry_run=True),
        )
        for ask in asked:
            with pytest.raises(KubeRefusedError, match=f"{NAMESPACE}:default.* cannot "):
                ask()


def test_a_token_that_nobody_has_is_refused(plane: ControlPlane) -> None:
    with connected(plane, "nobody", "nobodys") as nobody, pytest.raises(KubeRefusedError, match="Unauthorized"):
        nobody.kinds()


def test_an_api_server_that_does_not_answer_is_unavailable(plane: ControlPlane) -> None:
    file = plane.kubeconfig("gone", token="nobodys")
    file.write_text(file.read_text().replace(plane.url, "https://127.0.0.1:1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        with KubeCluster.connect() as gone, pytest.raises(KubeUnavailableError):
            gone.kinds()
