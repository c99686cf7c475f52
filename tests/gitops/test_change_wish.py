"""What somebody wants, from the words of a command; and the manifests that say it to the API server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.change.manifests import described, over, with_values
from raibid.gitops.change.wish import read_value, set_fields, set_image_of, set_replicas_of
from raibid.gitops.errors import NotEditableError
from raibid.gitops.objects import Ref

WEB = Ref("apps", "Deployment", "ci", "web")
LIVE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "ci",
        "uid": "1",
        "resourceVersion": "7",
        "labels": {"app": "web"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {
                "initContainers": [{"name": "seed", "image": "seed:1"}],
                "containers": [
                    {"name": "web", "image": "web:1", "args": ["a", "b"], "env": [{"name": "A", "value": "1"}]},
                    {"name": "side", "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]},
                ],
            }
        },
    },
    "status": {"readyReplicas": 1},
}
CONTAINERS = "spec.template.spec.containers"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("spec.replicas=3", 3),
        ("spec.paused=true", True),
        ("spec.x=1.5", 1.5),
        ("spec.x=null", None),
        ("spec.x=", ""),
        ("spec.x=plain text", "plain text"),
        ("spec.x={a: 1}", {"a": 1}),
        ("spec.x=[1, 2]", [1, 2]),
        ("spec.x=a: b", "a: b"),
        ("spec.x=a=b", "a=b"),
        ("spec.x=2026-11-21", "2026-11-21"),
        ("spec.x=[", "["),
        ('spec.x="3"', "3"),
        (f"{CONTAINERS}[name=web].image=web:2", "web:2"),
        (f"{CONTAINERS}[name=web].env[name=A].value=3", "3"),
        (f"{CONTAINERS}[name=web].env[name=NEW].value=3", "3"),
        ("metadata.labels.tier=1", "1"),
        (r"metadata.annotations.example\.org/x=true", "true"),
    ],
)
def test_a_value_is_yaml_but_a_text_where_texts_go(word: str, value: object) -> None:
    (found,) = set_fields(WEB, LIVE, [word]).values.values()
    assert found == value
    assert type(found) is type(value)


def test_an_entry_of_a_config_map_is_a_text() -> None:
    assert read_value("data.PORT", "80", None) == "80"
    assert read_value('data["app.yaml"]', "a: 1", None) == "a: 1"


@given(st.text(max_size=30))
def test_any_value_is_taken(text: str) -> None:
    read_value("spec.x", text, LIVE)


@pytest.mark.parametrize("word", ["", "=", "=3", "spec", "spec..x=1", "[=1", "spec.x[0=1"])
def test_what_is_no_assignment_is_a_sentence(word: str) -> None:
    with pytest.raises(NotEditableError):
        set_fields(WEB, LIVE, [word])


@pytest.mark.parametrize(
    ("word", "field"),
    [
        ("web=web:2", f"{CONTAINERS}[name=web].image"),
        ("seed=s:2", "spec.template.spec.initContainers[name=seed].image"),
    ],
)
def test_a_container_is_meant_by_its_name(word: str, field: str) -> None:
    assert list(set_image_of(WEB, LIVE, word).values) == [field]


@pytest.mark.parametrize("word", ["web:2", "none=web:2", "web=", "web=a b"])
def test_an_image_of_nothing_or_of_one_of_several_is_a_sentence(word: str) -> None:
    with pytest.raises(NotEditableError):
        set_image_of(WEB, LIVE, word)


def test_an_autoscaler_is_scaled_by_its_most() -> None:
    job = {"spec": {"maxReplicaCount": 5}}
    assert set_replicas_of(Ref("keda.sh", "ScaledJob", "ci", "agent"), job, 9).values == {"spec.maxReplicaCount": 9}


def test_what_an_applier_would_apply_has_nothing_of_the_servers() -> None:
    assert described(LIVE)["metadata"] == {"name": "web", "namespace": "ci", "labels": {"app": "web"}}
    assert "status" not in described(LIVE)


def test_a_manifest_on_top_leaves_what_it_does_not_say() -> None:
    found = over(LIVE, {"spec": {"replicas": 2}, "metadata": {"labels": {"tier": "1"}}})
    assert found["metadata"]["labels"] == {"app": "web", "tier": "1"}
    assert (found["spec"]["replicas"], found["spec"]["template"]) == (2, LIVE["spec"]["template"])


def test_a_value_from_a_file_is_stated_nowhere() -> None:
    wish = set_fields(WEB, LIVE, ["spec.x=hunter2", "spec.y=2"], unsaid=["spec.x=hunter2"])
    assert wish.subject == "Set spec.x, spec.y=2 of Deployment/ci/web"
    assert wish.discreet == "Set spec.x, spec.y of Deployment/ci/web"


def test_with_values_changes_these_and_not_the_original() -> None:
    changed = with_values(LIVE, {f"{CONTAINERS}[name=web].args[1]": "c", "spec.strategy.type": "Recreate"})
    assert changed["spec"]["template"]["spec"]["containers"][0]["args"] == ["a", "c"]
    assert changed["spec"]["strategy"] == {"type": "Recreate"}
    assert LIVE["spec"]["template"]["spec"]["containers"][0]["args"] == ["a", "b"]
    assert "strategy" not in LIVE["spec"]


@pytest.mark.parametrize("field", ["spec.replicas.x", f"{CONTAINERS}.x", f"{CONTAINERS}[9].image"])
def test_a_field_that_cannot_be_is_a_sentence(field: str) -> None:
    with pytest.raises(NotEditableError):
        with_values(LIVE, {field: "x"})
