"""Our builder makes what `kubectl kustomize` makes; substitution is Flux's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.kustomize.build import KustomizeError, build, substitute
from components.manifest_tree import SUBSTITUTE_OFF

CASES = sorted((Path(__file__).parent / "kustomize").iterdir())
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")


def read(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*.yaml")}


def key(manifest: Mapping[str, Any]) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


@needs_kubectl
@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_the_builder_agrees_with_kubectl(case: Path) -> None:
    said = subprocess.run(["kubectl", "kustomize", case / "overlay"], check=True, capture_output=True).stdout
    theirs = [manifest for manifest in yaml.safe_load_all(said) if manifest]
    ours = [item.manifest for item in build(read(case), "overlay")]
    assert sorted(ours, key=key) == sorted(theirs, key=key)


def entry(**fields: Any) -> bytes:
    return yaml.safe_dump({"kind": "Kustomization", **fields}).encode()


def config_map(name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no kustomization.yaml"),
        ({"d/kustomization.yaml": entry(resources=["a.txt"])}, "d/a.txt: no kustomization.yaml"),
        ({"d/kustomization.yaml": entry(resources=["a.yaml"])}, "d/a.yaml: listed by d/kustomization.yaml"),
        ({"d/kustomization.yaml": entry(resources=["../d"])}, "lists itself"),
        ({"d/kustomization.yaml": entry(helmCharts=[])}, "helmCharts: not among"),
        ({"d/kustomization.yaml": b": :"}, "not YAML"),
        ({"d/kustomization.yaml": b"- a"}, "not a Kubernetes object"),
        ({"d/kustomization.yaml": entry(patches=[{"path": "p.yaml"}])}, "d/p.yaml: a patch of"),
        (
            {"d/kustomization.yaml": entry(patches=[{"patch": "- {op: remove, path: /a}", "target": {"kind": "X"}}])},
            "matches no object",
        ),
    ],
)
def test_a_tree_that_kustomize_would_refuse_is_refused_by_name(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(KustomizeError, match=said):
        build(files, "d")


def test_an_encrypted_file_that_nobody_could_write_is_passed_over() -> None:
    assert build({"d/kustomization.yaml": entry(resources=["secret.enc.yaml"])}, "d") == []


def test_a_number_may_come_out_of_a_variable() -> None:
    scaled = {"kind": "ScaledJob", "metadata": {"name": "a"}, "spec": {"maxReplicaCount": "${most}"}}
    assert substitute(scaled, {"most": "7"})["spec"] == {"maxReplicaCount": 7}


def test_defaults_escapes_and_dollars_for_somebody_else() -> None:
    data = {"a": "${x:=fallback}", "b": "$${x}", "c": "costs $5 and $(HOME)", "d": "${y}/${y}"}
    assert substitute(config_map(**data), {"y": "1z"})["data"] == {
        "a": "fallback",
        "b": "${x}",
        "c": "costs $5 and $(HOME)",
        "d": "1z/1z",
    }


def test_a_variable_without_a_value_is_an_error_and_not_an_empty_string() -> None:
    with pytest.raises(KustomizeError, match=r"ConfigMap a: \$\{typo\} is not defined"):
        substitute(config_map(a="${typo}"), {})


def test_objects_that_opted_out_keep_their_dollars() -> None:
    manifest = config_map(a="${x}")
    manifest["metadata"]["annotations"] = SUBSTITUTE_OFF
    assert substitute(manifest, {"x": "1"}) == manifest


plain = st.text().filter(lambda text: "${" not in text)


@given(st.dictionaries(plain, plain))
def test_what_asks_for_nothing_stays_as_it_is(data: dict[str, str]) -> None:
    manifest = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    assert substitute(manifest, {"x": "1"}) == manifest
