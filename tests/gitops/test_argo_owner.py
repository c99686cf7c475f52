"""Who owns an object, as Argo CD says it; and what looks like an owner and is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from raibid.gitops.objects import Ref
from raibid.gitops.owner.find import find
from raibid.gitops.owner.ownership import Claim, Ownership, Place, Tool, Verdict

from tests.gitops.memory_cluster import MemoryCluster, documents

STATES = Path(__file__).parent / "argo" / "owner"
SHA = "53e28ff20cc530b9ada2173fbbd64d48338583ba"


def owner(state: str, kind: str, namespace: str, name: str, group: str = "", **how: frozenset[str]) -> Ownership:
    cluster = MemoryCluster.of(*documents(STATES / f"{state}.yaml"), **how)
    return find(cluster, Ref(group, kind, namespace, name))


def claimed(state: str, kind: str, namespace: str, name: str, group: str = "") -> Claim:
    found = owner(state, kind, namespace, name, group).claim
    assert found is not None
    return found


def place(claim: Claim) -> Place:
    assert claim.place is not None
    return claim.place


def application(name: str, namespace: str = "argocd") -> Ref:
    return Ref("argoproj.io", "Application", namespace, name)


def test_a_tracking_id_leads_to_the_directory_of_its_application() -> None:
    found = claimed("tracking-id-of-the-object-itself", "Deployment", "default", "guestbook-ui", "apps")
    assert [(step.ref, step.tool, step.how) for step in found.chain] == [
        (application("guestbook"), Tool.ARGOCD, "tracking-id")
    ]
    at = place(found)
    assert (at.repository, at.branch, at.path, at.revision) == (
        "https://git.test/apps.git",
        "main",
        "guestbook",
        SHA,
    )
    assert found.chain[0].applied == SHA
    assert not found.chain[0].suspended
    assert found.edit.name == "guestbook-ui"


def test_a_pod_is_edited_in_the_deployment_above_it_whose_annotation_its_replicaset_copies() -> None:
    answer = owner("tracking-id-of-the-object-itself", "Pod", "default", "guestbook-ui-5d9c-x7")
    assert answer.claim is not None
    assert answer.notes == ()
    assert [step.ref.kind for step in answer.claim.chain] == ["ReplicaSet", "Deployment", "Application"]
    assert answer.claim.edit == Ref("apps", "Deployment", "default", "guestbook-ui")


LABELS = "label-counts-only-with-status-resources"


@pytest.mark.parametrize(
    ("state", "kind", "namespace", "name", "group"),
    [
        ("tracking-id-of-the-object-itself", "Service", "copy", "guestbook-ui", ""),
        ("tracking-id-of-the-object-itself", "ConfigMap", "default", "guestbook-ui", ""),
        ("tracking-id-of-the-object-itself", "Deployment", "default", "of-nobody", "apps"),
        (LABELS, "StatefulSet", "shop", "cache", "apps"),
        (LABELS, "ConfigMap", "shop", "by-hand", ""),
        (LABELS, "Deployment", "other", "web", "apps"),
        (LABELS, "Deployment", "shop", "web", "serving.example.org"),
        ("copy-is-listed-without-a-status", "Secret", "copy", "token", ""),
        ("status-is-unknown-while-manifests-fail", "Secret", "copy", "token", ""),
        ("deploys-to-another-cluster", "Deployment", "kube-system", "metrics-server", "apps"),
        ("deploys-to-another-cluster", "Deployment", "kube-system", "restored", "apps"),
        ("tracking-id-before-and-after-a-comparison", "Service", "shop", "left-over", ""),
        ("tracking-id-before-and-after-a-comparison", "Service", "shop", "of-another-argocd", ""),
    ],
    ids=[
        "a copied tracking id",
        "the same name and namespace, another kind",
        "a tracking id of no Application",
        "the label of a chart",
        "the destination namespace",
        "the same name in another namespace",
        "the same name in another group",
        "listed, as a copy",
        "listed, as a copy, while manifests fail",
        "listed, for another cluster",
        "tracked, for another cluster",
        "tracked, and not listed since",
        "tracked by another Argo CD",
    ],
)
def test_what_only_looks_like_an_owner_is_none(state: str, kind: str, namespace: str, name: str, group: str) -> None:
    answer = owner(state, kind, namespace, name, group)
    assert (answer.verdict, answer.claims) == (Verdict.UNMANAGED, ())


@pytest.mark.parametrize(
    ("state", "kind", "namespace", "name", "group", "word"),
    [
        ("tracking-id-of-the-object-itself", "Service", "copy", "guestbook-ui", "", "copy"),
        ("tracking-id-of-the-object-itself", "Deployment", "default", "of-nobody", "apps", "no such Application"),
        (LABELS, "StatefulSet", "shop", "cache", "apps", "charts set the same label"),
        ("deploys-to-another-cluster", "Deployment", "kube-system", "restored", "apps", "edge.test"),
        ("tracking-id-before-and-after-a-comparison", "Service", "shop", "left-over", "", "leftover"),
        ("tracking-id-before-and-after-a-comparison", "Service", "shop", "of-another-argocd", "", "another Argo CD"),
    ],
)
def test_a_mark_that_does_not_count_is_explained(
    state: str, kind: str, namespace: str, name: str, group: str, word: str
) -> None:
    assert any(word in note for note in owner(state, kind, namespace, name, group).notes)


def test_an_installation_id_that_cannot_be_compared_is_not_called_another_one() -> None:
    state, hidden = "tracking-id-before-and-after-a-comparison", frozenset({"ConfigMap"})
    answer = owner(state, "Service", "shop", "of-another-argocd", refuse=hidden)
    assert answer.verdict is Verdict.UNKNOWN
    assert any("cannot be compared" in note for note in answer.notes)
    assert not any("another Argo CD" in note for note in answer.notes)


def test_a_label_confirmed_by_the_status_is_an_owner() -> None:
    found = claimed(LABELS, "Deployment", "shop", "web", "apps")
    assert found.chain[0].how == "label and status.resources"
    assert (place(found).branch, place(found).path) == ("HEAD", "deploy")


def test_the_label_has_the_key_of_argocds_settings_and_no_automated_sync_is_suspended() -> None:
    found = claimed("label-key-of-argocd-cm", "Deployment", "shop", "web", "apps")
    assert found.chain[0].how == "label and status.resources"
    assert found.chain[0].suspended


def test_a_hook_is_owned_and_so_is_what_waits_to_be_pruned() -> None:
    hook = claimed("copy-is-listed-without-a-status", "Job", "shop", "migrate", "batch")
    old = claimed("copy-is-listed-without-a-status", "ConfigMap", "shop", "old")
    assert "hook" in hook.note
    assert "no longer in Git" in old.note


def test_nothing_is_called_no_longer_in_git_while_manifests_fail() -> None:
    found = claimed("status-is-unknown-while-manifests-fail", "Secret", "shop", "token")
    assert "no longer in Git" not in found.note


def test_a_tracking_id_counts_alone_until_the_application_compares() -> None:
    found = claimed("tracking-id-before-and-after-a-comparison", "Service", "shop", "new")
    assert "not compared it yet" in found.note


def test_an_application_outside_of_argocds_namespace_is_found_by_its_long_name() -> None:
    found = claimed("application-outside-of-argocd-namespace", "Service", "team-a", "web")
    assert [step.ref for step in found.chain] == [application("shop", "team-a")]


@pytest.mark.parametrize(
    ("kind", "name", "group", "how"),
    [
        ("CustomResourceDefinition", "widgets.example.org", "apiextensions.k8s.io", "status.resources"),
        ("ClusterRole", "widgets", "rbac.authorization.k8s.io", "tracking-id"),
    ],
)
def test_what_belongs_to_no_namespace_is_found(kind: str, name: str, group: str, how: str) -> None:
    found = claimed("crd-has-no-marks", kind, "", name, group)
    assert found.chain[0].how == how


def test_two_applications_with_one_object_contest_it() -> None:
    answer = owner("two-applications-list-one-object", "ConfigMap", "shop", "shared")
    assert answer.verdict is Verdict.CONTESTED
    assert {claim.chain[0].ref.name: claim.chain[0].how for claim in answer.claims} == {
        "first": "tracking-id",
        "second": "status.resources",
    }


def test_flux_and_argocd_contest_what_both_apply() -> None:
    answer = owner("both-flux-and-argocd-apply-it", "Service", "shop", "web")
    assert answer.verdict is Verdict.CONTESTED
    assert [claim.chain[0].tool for claim in answer.claims] == [Tool.FLUX, Tool.ARGOCD]


def test_who_may_not_list_applications_is_told_so() -> None:
    refused = frozenset({"Application"})
    state = "tracking-id-of-the-object-itself"
    answer = owner(state, "Deployment", "default", "guestbook-ui", "apps", refuse=refused)
    assert answer.verdict is Verdict.UNKNOWN
    assert any("Application is forbidden" in note for note in answer.notes)


def test_of_several_sources_the_last_with_manifests_comes_first_and_none_is_lost() -> None:
    found = claimed("several-sources", "ConfigMap", "billing", "rates")
    assert (place(found).repository, place(found).branch, place(found).revision) == (
        "https://git.test/common.git",
        "HEAD",
        "2" * 40,
    )
    assert [(place.repository, place.branch) for place in found.others] == [("https://git.test/billing.git", "")]
    assert "pinned to 8.5.1" in found.others[0].note
    assert "several sources" in found.note


def test_what_a_chart_renders_is_edited_in_the_values_of_another_source() -> None:
    state = "chart-with-values-in-another-source"
    found = claimed(state, "Deployment", "monitoring", "prometheus-server", "apps")
    assert found.edit == application("prometheus")
    assert (place(found).repository, place(found).path) == (
        "https://git.test/values.git",
        "charts/prometheus/values-prod.yaml",
    )
    assert [place.path for place in found.others] == ["charts/prometheus/values.yaml"]
    assert "chart prometheus 15.7.1" in found.note


APPLICATIONS = "application-of-applications"


def test_a_resource_is_edited_in_the_source_of_its_own_application() -> None:
    found = claimed(APPLICATIONS, "Deployment", "shop", "web", "apps")
    assert place(found).repository == "https://git.test/shop.git"
    assert "overrides images" in place(found).note
    assert "described by Application/argocd/root" in found.note


def test_an_application_is_edited_in_the_source_of_its_parent() -> None:
    found = claimed(APPLICATIONS, "Application", "argocd", "shop", "argoproj.io")
    assert place(found).repository == "https://git.test/root.git"
    assert found.edit == application("shop")


def test_what_a_chart_renders_is_edited_in_the_manifest_of_its_application() -> None:
    found = claimed(APPLICATIONS, "StatefulSet", "redis", "redis", "apps")
    assert [step.ref for step in found.chain] == [application("redis"), application("root")]
    assert (found.edit, place(found).repository) == (application("redis"), "https://git.test/root.git")


def test_an_application_of_a_chart_that_flux_applies_is_edited_in_flux_repository() -> None:
    found = claimed("application-of-a-chart-applied-by-flux", "StatefulSet", "redis", "redis", "apps")
    assert [(step.ref.kind, step.tool) for step in found.chain] == [
        ("Application", Tool.ARGOCD),
        ("Kustomization", Tool.FLUX),
    ]
    assert (found.edit, place(found).path) == (application("redis"), "apps")


def test_an_application_that_manages_itself_ends_the_walk() -> None:
    found = claimed(APPLICATIONS, "Application", "argocd", "root", "argoproj.io")
    assert [step.ref for step in found.chain] == [application("root")]


GENERATED = "generated-by-an-application-set"


def test_a_generated_application_is_edited_in_its_set_or_the_generators_input() -> None:
    found = claimed(GENERATED, "Application", "argocd", "shop", "argoproj.io")
    assert [step.ref.name for step in found.chain] == ["clusters", "root"]
    assert (found.edit.kind, place(found).repository) == ("ApplicationSet", "https://git.test/root.git")
    assert [(place.repository, place.path) for place in found.others] == [("https://git.test/inputs.git", "apps")]
    assert "generator's input" in found.note


def test_a_set_that_nobody_applies_names_the_generators_input() -> None:
    found = claimed(GENERATED, "Application", "argocd", "team", "argoproj.io")
    assert found.place is None
    assert "https://git.test/inputs.git teams" in found.note
    assert "nobody applies" in found.note


def test_what_a_generated_application_deploys_is_edited_in_its_source() -> None:
    found = claimed(GENERATED, "Deployment", "shop", "web", "apps")
    assert place(found).path == "apps/shop"
    assert "generated by ApplicationSet/argocd/clusters" in found.note


def test_what_is_hydrated_is_edited_in_the_dry_source() -> None:
    found = claimed("hydrated", "Deployment", "shop", "web", "apps")
    assert (place(found).branch, place(found).path, place(found).revision) == ("main", "overlays/production", SHA)
    assert "environments/production-next" in found.note
    assert found.others == ()


def test_wrong_types_are_an_answer() -> None:
    answer = owner("wrong-types-everywhere", "Service", "shop", "web")
    assert [claim.chain[0].ref.name for claim in answer.claims] == ["half"]
    assert owner("wrong-types-everywhere", "Application", "argocd", "shop", "argoproj.io").claims == ()
