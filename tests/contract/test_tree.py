"""What holds for the whole repository: nothing readable that is secret, nothing that changes by itself, all rules."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from components import agents
from components.admission import IMAGES
from components.commands.lint import lint
from components.kustomize.applied import read_tree
from components.kustomize.build import build
from components.manifest_tree import SecretManifest
from components.settings import load_stack
from components.systems import emission
from policies.rule import Bounds
from policies.tree import findings
from tests.contract.cluster import STACKS, Cluster, walk

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")
SENTINEL = "s3nt1nel-of-"


def write(cluster: Cluster, directory: Path) -> Path:
    for path, data in cluster.files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return directory


def test_our_own_tree_breaks_no_rule(cluster: Cluster) -> None:
    (values,) = (c["data"] for c in cluster.of_kind("ConfigMap") if c["metadata"]["name"] == "cluster-vars")
    bounds = Bounds(images=values[IMAGES], most_agents=int(values[agents.MOST]))
    assert [str(f) for f in findings(((item.path, item.manifest) for item in cluster.objects), bounds)] == []


def test_lint_says_the_same_of_the_files(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(write(cluster, tmp_path)) == 0
    assert "violations: 0" in capsys.readouterr().out


def test_a_tree_without_its_encrypted_files_can_be_linted(cluster: Cluster, tmp_path: Path) -> None:
    """`render` without keys writes none of them."""
    write(cluster, tmp_path)
    for path in cluster.emission.secrets:
        (tmp_path / path).unlink()
    assert lint(tmp_path) == 0


@needs_kubectl
def test_kubectl_builds_the_same_objects(cluster: Cluster, tmp_path: Path) -> None:
    root = write(cluster, tmp_path)
    for stage in cluster.stages().values():
        path = stage["spec"]["path"]
        said = subprocess.run(["kubectl", "kustomize", root / path], check=True, capture_output=True).stdout
        theirs = sorted(yaml.dump(m) for m in yaml.safe_load_all(said) if m)
        assert sorted(yaml.dump(item.manifest) for item in build(cluster.files, path)) == theirs, path


def test_rendering_twice_gives_the_same_bytes(cluster: Cluster) -> None:
    again = emission(cluster.settings.model_copy())
    assert again.files == cluster.emission.files
    assert again.digest() == cluster.emission.digest()


def test_the_base_is_the_same_for_every_environment() -> None:
    bases = [
        {
            path: data
            for path, data in emission(load_stack(stack)).files.items()
            if re.match("infrastructure/|apps/", path)
        }
        for stack in STACKS
    ]
    assert bases[0] == bases[1] == bases[2]


def test_no_secret_value_is_in_any_file(cluster: Cluster) -> None:
    """Derived values exist only inside SecretManifest; what is written in clear holds none, nor a Secret at all."""
    for path, data in cluster.emission.files.items():
        assert SENTINEL.encode() not in data, path
        assert not re.search(rb"^kind: Secret$", data, re.MULTILINE), path


def test_every_secret_asks_for_derived_values_only(cluster: Cluster) -> None:
    for path, secret in cluster.emission.secrets.items():
        assert isinstance(secret, SecretManifest)
        assert path.endswith(".enc.yaml")
        asked: list[str] = []
        secret.manifest(lambda label, asked=asked: asked.append(label) or SENTINEL + label)  # type: ignore[misc]
        assert asked, path


def test_every_image_has_an_exact_tag_and_its_registry(cluster: Cluster) -> None:
    for item in cluster.objects:
        for path, value in walk(item.manifest):
            if path.endswith(".image") and isinstance(value, str):
                assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+(:\d+)?/[^:@]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", value), (
                    value
                )
                assert not value.endswith(":latest")
                assert re.search(r":[\w.-]+$|@sha256:", value), value


def test_charts_have_an_exact_version(cluster: Cluster) -> None:
    exact = re.compile(r"v?\d+\.\d+\.\d+")
    for release in cluster.of_kind("HelmRelease"):
        if chart := release["spec"].get("chart"):
            assert exact.fullmatch(chart["spec"]["version"])
    for source in cluster.of_kind("OCIRepository"):
        assert exact.fullmatch(source["spec"]["ref"]["tag"])


def test_read_tree_finds_every_yaml_file_and_nothing_of_git(tmp_path: Path) -> None:
    for name in ("a.yaml", "b/c.yml", ".git/d.yaml", "e.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("kind: X")
    assert list(read_tree(tmp_path)) == ["a.yaml", "b/c.yml"]
