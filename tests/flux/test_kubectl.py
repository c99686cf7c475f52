"""Every directory that Flux builds, built by kustomize itself."""

from __future__ import annotations

import posixpath
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from components.kustomize.build import build
from tests.flux.rendered import Rendered

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH: no kustomize to ask")


def test_kustomize_builds_every_stage_to_what_our_own_builder_makes_of_it(rendered: Rendered, tmp_path: Path) -> None:
    for path, data in rendered.files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    root = f"clusters/{rendered.environment}"
    stages = [posixpath.normpath(stage["spec"]["path"]) for stage in rendered.stages.values()]
    for directory in (root, f"{root}/flux-system", *stages):
        done = subprocess.run(["kubectl", "kustomize", directory], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        theirs = [item for item in yaml.load_all(done.stdout, yaml.CSafeLoader) if item]
        ours = [dict(item.manifest) for item in build(rendered.files, directory)]
        assert sorted(theirs, key=str_key) == sorted(ours, key=str_key), directory


def str_key(manifest: dict[str, object]) -> str:
    return yaml.safe_dump([manifest["kind"], manifest["metadata"]])
