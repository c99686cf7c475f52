"""The rules over single objects and over sets: every rule has its counter-example, and it breaks that rule only."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from policies.doctor import EVERY_RULE
from policies.manifest import Manifest, title
from policies.rule import Bounds, Rule, SetRule
from policies.rules import RULES
from policies.set_rules import SET_RULES, alerted
from policies.tree import findings

HERE = Path(__file__).parent
VIOLATIONS = sorted((HERE / "violations").glob("*.yaml"))
GOOD = sorted((HERE / "good").glob("*.yaml"))
BOUNDS = Bounds(images="docker[.]io/library/|gitea[.]example/", most_agents=3)
CATALOGUE: tuple[Rule | SetRule, ...] = (*EVERY_RULE, *SET_RULES)


def objects(path: Path) -> list[tuple[str, Manifest]]:
    return [(path.name, manifest) for manifest in yaml.safe_load_all(path.read_text())]


def test_every_rule_has_a_counter_example_and_nothing_else_has() -> None:
    assert {path.stem for path in VIOLATIONS} == {rule.id for rule in CATALOGUE}


@pytest.mark.parametrize("path", VIOLATIONS, ids=lambda p: p.stem)
def test_a_counter_example_breaks_exactly_its_rule(path: Path) -> None:
    assert {finding.rule for finding in findings(objects(path), BOUNDS)} == {path.stem}


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_a_good_object_breaks_no_rule(path: Path) -> None:
    assert findings(objects(path), BOUNDS) == []


@pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: rule.id)
def test_a_rule_says_what_it_demands_why_and_what_to_do(rule: Rule | SetRule) -> None:
    for text in (rule.demand, rule.why, rule.remedy):
        assert text
        assert not text.endswith(".")
        assert len(text) < 140


def test_every_document_of_a_counter_example_is_found() -> None:
    both = findings(objects(HERE / "violations" / "image-exact.yaml"), BOUNDS)
    assert [finding.object for finding in both] == ["Deployment ci/app", "Deployment infrastructure/tool"]


def test_what_is_not_known_is_not_judged() -> None:
    for name in ("image-allowed", "scaled-job-budget"):
        assert findings(objects(HERE / "violations" / f"{name}.yaml"), Bounds()) == []


@pytest.mark.parametrize(
    "image",
    ["redis", "redis:latest", "registry:5000/redis", "docker.io/library/redis@sha256:abc", "redis:", ""],
)
def test_an_image_without_an_exact_tag_is_found(image: str) -> None:
    (rule,) = (rule for rule in RULES if rule.id == "image-exact")
    assert list(rule.check({"kind": "Pod", "spec": {"containers": [{"name": "a", "image": image}]}}, Bounds()))


@pytest.mark.parametrize("image", ["redis:8", "registry:5000/redis:8.2", f"redis@sha256:{'0' * 64}", "a/b:v1.2-rc.1"])
def test_an_exact_image_is_good(image: str) -> None:
    (rule,) = (rule for rule in RULES if rule.id == "image-exact")
    assert not list(rule.check({"kind": "Pod", "spec": {"containers": [{"name": "a", "image": image}]}}, Bounds()))


def test_a_container_cannot_undo_what_its_pod_promises() -> None:
    (rule,) = (rule for rule in RULES if rule.id == "non-root")
    container = {"name": "a", "securityContext": {"runAsNonRoot": False}}
    spec = {"securityContext": {"runAsNonRoot": True}, "containers": [container]}
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "ci"}, "spec": spec}
    assert list(rule.check(pod, Bounds())) == ["container a: runAsNonRoot is not true"]


def test_init_containers_are_judged_too() -> None:
    (rule,) = (rule for rule in RULES if rule.id == "image-exact")
    spec = {"initContainers": [{"name": "setup", "image": "redis"}], "containers": [{"name": "a", "image": "redis:8"}]}
    assert list(rule.check({"kind": "Pod", "spec": spec}, Bounds())) == ["container setup: image 'redis'"]


def test_a_secret_is_judged_value_by_value() -> None:
    (rule,) = (rule for rule in RULES if rule.id == "secret-encrypted")
    secret = {"kind": "Secret", "apiVersion": "v1", "sops": {}, "data": {"a": "ENC[AES256_GCM,…]", "b": "aHVudGVyMg=="}}
    assert list(rule.check(secret, Bounds())) == ["data.b is readable"]


def notification(kind: str, name: str, namespace: str = "flux-system", **spec: object) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": kind, "metadata": metadata, "spec": spec}


def alert(provider: str, kind: str, *, suspend: bool = False) -> Manifest:
    source = {"kind": kind, "name": "*"}
    return notification("Alert", "a", eventSources=[source], providerRef={"name": provider}, suspend=suspend)


GITEA = notification("Provider", "gitea", type="gitea")
PAGER = notification("Provider", "pager", type="alertmanager")
UNDELIVERED: dict[str, list[Manifest]] = {
    "a commit status about a chart's version": [GITEA, alert("gitea", "HelmRelease")],
    "a Provider that is not there": [alert("pager", "HelmRelease")],
    "a Provider in another namespace": [
        notification("Provider", "pager", "x", type="slack"),
        alert("pager", "HelmRelease"),
    ],
    "a Provider that is suspended": [
        notification("Provider", "pager", type="slack", suspend=True),
        alert("pager", "HelmRelease"),
    ],
    "an Alert that is suspended": [PAGER, alert("pager", "HelmRelease", suspend=True)],
    "a Provider that wakes a program": [
        notification("Provider", "pager", type="generic-hmac"),
        alert("pager", "Kustomization"),
    ],
    "comments on a change request": [
        notification("Provider", "pager", type="giteapullrequestcomment"),
        alert("pager", "Kustomization"),
    ],
}


@pytest.mark.parametrize("said", UNDELIVERED)
def test_an_alert_that_reaches_nobody_covers_nothing(said: str) -> None:
    assert alerted(UNDELIVERED[said]) == set()


def coverage(*manifests: Manifest) -> list[str]:
    (rule,) = (rule for rule in SET_RULES if rule.id == "alert-coverage")
    return [f"{title(manifest)}: {where}" for manifest, where in rule.check(manifests)]


def test_an_alert_whose_provider_cannot_deliver_is_a_violation_itself() -> None:
    assert coverage(GITEA, alert("gitea", "HelmRelease")) == [
        "Alert flux-system/a: its Provider delivers nothing of HelmReleases of namespace flux-system"
    ]


RELEASE = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "metadata": {"name": "keda", "namespace": "keda"},
}


def test_releases_want_an_alert_only_where_a_provider_could_tell_of_them() -> None:
    """A stack without monitoring has nobody to tell but the commit; its stages wait for their releases."""
    assert coverage(RELEASE, GITEA, alert("gitea", "Kustomization")) == []
    assert coverage(RELEASE, GITEA, PAGER) == ["HelmRelease keda/keda: no Alert covers HelmReleases of namespace keda"]


def test_a_program_that_is_woken_is_nobody_who_is_told_and_no_mistake() -> None:
    hook = notification("Provider", "rollback", type="generic-hmac")
    assert coverage(RELEASE, hook, alert("rollback", "HelmRelease")) == []
    assert coverage(RELEASE, PAGER, hook, alert("rollback", "HelmRelease")) == [
        "HelmRelease keda/keda: no Alert covers HelmReleases of namespace keda"
    ]


def test_an_object_without_metadata_is_named_by_its_kind() -> None:
    assert title({"kind": "Pod"}) == "Pod"
