"""Repositories hold what strangers wrote: whatever stands where, the answer is an edit or a GitopsError."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raibid.gitops.errors import GitopsError
from raibid.gitops.files.documents import Edit
from raibid.gitops.files.edit import set_field, set_image, set_replicas
from raibid.gitops.files.fields import read_field
from raibid.gitops.files.manifests import add_manifests
from raibid.gitops.files.values import changed
from raibid.gitops.files.variables import VariableSource
from raibid.gitops.objects import Ref

from tests.gitops.junk import JUNK as WORDS
from tests.gitops.kustomize_trees import dump

CONTAINERS = [{"name": "web", "image": "web:${tag}", "env": [{"name": "A", "value": "1"}]}, {"name": "b", "image": "c"}]
WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"a": "b"}, "annotations": {"c": "d"}},
    "spec": {"replicas": 1, "template": {"spec": {"containers": CONTAINERS}}},
}
VARS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vars"}, "data": {"tag": "1"}}
PATCH = {**WEB, "spec": {"template": {"spec": {"containers": [{"name": "b", "image": "d"}]}}}}
OPERATIONS = [
    {"op": "replace", "path": "/spec/replicas", "value": 2},
    {"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/e"},
    {"op": "remove", "path": "/metadata/annotations/c"},
]
SELECT = {"kind": "Deployment", "name": "w.*", "labelSelector": "a=b"}
TOP = {
    "resources": ["web.yaml", "vars.yaml"],
    "patchesStrategicMerge": ["patch.yaml"],
    "patches": [{"target": SELECT, "patch": dump(OPERATIONS)}, {"path": "patch.yaml"}],
    "patchesJson6902": [{"target": {"kind": "Deployment", "name": "web"}, "path": "operations.yaml"}],
    "images": [{"name": "c", "newName": "e", "newTag": "2"}],
    "replicas": [{"name": "web", "count": 3}],
    "commonLabels": {"team": "a"},
    "labels": [{"pairs": {"tier": "front"}}],
    "generatorOptions": {"disableNameSuffixHash": True},
    "configMapGenerator": [
        {"name": "made", "literals": ["a=b"], "files": ["web.yaml"], "envs": ["env"]},
        {"name": "made", "behavior": "merge", "literals": ["a=c"]},
    ],
    "replacements": [{"source": {}, "targets": [{"select": {"name": "web"}, "fieldPaths": ["spec.paused"]}]}],
    "namePrefix": "",
    "components": [],
}
FILES: dict[str, Any] = {
    "kustomization.yaml": TOP,
    "web.yaml": WEB,
    "vars.yaml": VARS,
    "patch.yaml": PATCH,
    "operations.yaml": [{"op": "add", "path": "/spec/paused", "value": True}],
    "clusters/dev/emitted.json": {"files": {"other": "00"}},
}
# Go has no words for these, Python's JSON has.
JUNK = WORDS | st.sampled_from([float("inf"), float("nan"), "(a+)+b", "${a}" * 9, "²"])
REF, MADE = Ref("apps", "Deployment", "ci", "web"), Ref("", "ConfigMap", "ci", "made")
SOURCES = [VariableSource(Ref("", "ConfigMap", "flux-system", "vars"), frozenset(), "")]
DEEP = "spec.template.spec.containers[name=web].env[name=A].value"


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, item in inner for place in places(item, (*way, key)))]


@st.composite
def repositories(draw: st.DrawFn) -> dict[str, str]:
    """A repository that is right but for a few places."""
    files = dict(FILES)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        files[name] = changed(files[name], draw(st.sampled_from(places(files[name]))), draw(JUNK))
    texts = {name: json.dumps(value) if name.endswith(".json") else dump(value) for name, value in files.items()}
    return {**texts, "env": "x=1\n# y\nz"}


def operations(root: Path, value: Any, flux: dict[str, Any]) -> list[Callable[[], Edit]]:
    more: dict[str, Any] = {"variables": SOURCES, "flux_spec": flux}
    return [
        lambda: set_field(root, "", REF, DEEP, value, **more),
        lambda: set_field(root, "", REF, "metadata.labels", value, **more),
        lambda: set_field(root, "", REF, "spec.paused", value, **more),
        lambda: set_field(root, "", MADE, "data.a", value, **more),
        lambda: set_image(root, "", REF, "web", "web:2", **more),
        lambda: set_image(root, "", REF, "b", "f:2", **more),
        lambda: set_replicas(root, "", REF, 4, **more),
        lambda: add_manifests(root, "", [{**WEB, "spec": value}]),
    ]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=repositories(), value=JUNK, flux=st.dictionaries(st.sampled_from(["patches", "images", "postBuild"]), JUNK)
)
def test_whatever_stands_where_the_answer_is_an_edit_or_an_error_of_ours(
    files: dict[str, str], value: Any, flux: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files.items():
            (Path(directory) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(directory) / name).write_text(text)
        for operation in operations(Path(directory), value, flux):
            with suppress(GitopsError):
                operation()


@given(text=st.text(max_size=20) | st.text("a.[]=\"'\\0", max_size=12))
def test_any_words_are_a_field_or_an_error_of_ours(text: str) -> None:
    with suppress(GitopsError):
        assert read_field(text)
