"""Tracking ids and inventories: what they say is about one object, by group, kind, namespace and name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.objects import Ref
from raibid.gitops.owner.argo import claims
from raibid.gitops.owner.argo_tracking import TrackingId, entry, is_about
from raibid.gitops.owner.world import World

from tests.contract.schemas import CRDS, problems
from tests.gitops.memory_cluster import MemoryCluster, documents

STATES = sorted((Path(__file__).parent / "argo").rglob("*.yaml"))
BROKEN = {"wrong-types-everywhere.yaml"}

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
RBAC_NAMES = st.from_regex(r"[a-z]([-a-z:.]{0,8}[a-z])?", fullmatch=True)
REFS = st.builds(
    Ref,
    st.sampled_from(["", "apps", "rbac.authorization.k8s.io"]),
    st.sampled_from(["Service", "Deployment", "ClusterRole"]),
    st.one_of(st.just(""), NAMES),
    st.one_of(NAMES, RBAC_NAMES),
)
FEW = st.builds(
    Ref,
    st.sampled_from(["", "apps"]),
    st.sampled_from(["Service", "Deployment"]),
    st.sampled_from(["shop", "other"]),
    st.sampled_from(["web", "api"]),
)
"""So few that many are alike in all but one."""


@given(NAMES | st.builds("{}_{}".format, NAMES, NAMES), REFS)
def test_a_tracking_id_is_read_as_it_was_written(application: str, about: Ref) -> None:
    made = TrackingId(application=application, about=about)
    assert TrackingId.parse(str(made)) == made


@given(st.text())
def test_what_is_read_as_a_tracking_id_is_written_the_same(value: str) -> None:
    found = TrackingId.parse(value)
    assert found is None or str(found) == value


@pytest.mark.parametrize(
    "value",
    ["", "shop", "shop:apps/Deployment", "shop:Deployment:shop/web", "shop:apps/Deployment:web", ":/Service:a/b"],
)
def test_what_argocd_does_not_read_is_no_tracking_id(value: str) -> None:
    assert TrackingId.parse(value) is None


def test_the_long_name_is_that_of_another_namespace_and_the_short_one_of_argocds_own() -> None:
    short = TrackingId(application="shop", about=Ref("", "Service", "a", "b"))
    long = TrackingId(application="team_shop", about=Ref("", "Service", "a", "b"))
    inside, outside = (Ref("argoproj.io", "Application", namespace, "shop") for namespace in ("argocd", "team"))
    assert short.names(inside, argocd="argocd")
    assert not short.names(outside, argocd="argocd")
    assert long.names(outside, argocd="argocd")
    assert not long.names(inside, argocd="argocd")


@given(FEW, FEW)
def test_what_differs_in_anything_is_another_object(said: Ref, ref: Ref) -> None:
    assert is_about(said, ref) is (said == ref)


ENTRIES = st.builds(
    lambda ref, status: {
        "group": ref.group,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
        **({"status": status} if status else {}),
    },
    FEW,
    st.sampled_from(["Synced", "OutOfSync", ""]),
)


@given(
    FEW,
    st.lists(ENTRIES, max_size=4),
    st.none() | st.builds(TrackingId, application=st.sampled_from(["shop", "other"]), about=FEW),
    st.sampled_from(["shop", "other", ""]),
    st.sampled_from(["2026-11-21T09:00:00Z", "2026-11-21T11:00:00Z", ""]),
)
def test_no_application_owns_what_neither_its_status_nor_the_objects_own_tracking_id_names(
    ref: Ref, resources: list[dict[str, str]], mark: TrackingId | None, label: str, reconciled: str
) -> None:
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {"destination": {"name": "in-cluster", "namespace": "shop"}, "source": {"repoURL": "x", "path": "."}},
        "status": {"controllerNamespace": "argocd", "resources": resources, "reconciledAt": reconciled},
    }
    manifest = {
        "apiVersion": f"{ref.group}/v1" if ref.group else "v1",
        "kind": ref.kind,
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "creationTimestamp": "2026-11-21T10:00:00Z",
            "labels": {"app.kubernetes.io/instance": label},
            "annotations": {"argocd.argoproj.io/tracking-id": str(mark)} if mark else {},
        },
    }
    found = claims(World(MemoryCluster.of(application, manifest)), [manifest])
    listed = entry(application, ref) is not None
    tracked = mark is not None and mark.application == "shop" and mark.about == ref
    compared_since = reconciled > "2026-11-21T10:00:00Z"
    assert bool(found) is (listed or (tracked and not compared_since))


@pytest.mark.skipif(not CRDS.is_dir(), reason="no CRDs beside the checkout; RAIBID_CRDS names their directory")
@pytest.mark.parametrize("state", [state for state in STATES if state.name not in BROKEN], ids=lambda state: state.stem)
def test_every_recorded_state_is_one_that_the_api_server_takes(state: Path) -> None:
    custom = [item for item in documents(state) if item["apiVersion"].startswith("argoproj.io/")]
    assert custom
    assert [problem for item in custom for problem in problems(item)] == []
