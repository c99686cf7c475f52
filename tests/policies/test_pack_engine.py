"""The pack under a real engine: a planted violation fails the preview."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """\
from pulumi import ComponentResource, Config


class Pod(ComponentResource):
    '''Of the pod's own type, so that no provider is needed to show the policies what they would see.'''

    def __init__(self, image):
        container = {"name": "a", "image": image, "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
        container["resources"]["limits"] = {"memory": "1Gi"}
        props = {"metadata": {"name": "a", "namespace": "infrastructure"}, "spec": {"containers": [container]}}
        super().__init__("kubernetes:core/v1:Pod", "a", props)
        self.register_outputs({})


Pod(Config().require("image"))
"""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not on PATH"),
    pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on PATH: Pulumi's Python host asks for it"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The pack beside a project of one pod. Without a pyproject.toml the host synchronises no environment."""
    shutil.copyfile(ROOT / "uv.lock", tmp_path / "uv.lock")
    shutil.copytree(ROOT / "policies", tmp_path / "policies", ignore=shutil.ignore_patterns("__pycache__"))
    runtime = {"name": "python", "options": {"toolchain": "uv", "virtualenv": sys.prefix}}
    pack = yaml.safe_load((ROOT / "policies" / "PulumiPolicy.yaml").read_text())
    (tmp_path / "policies" / "PulumiPolicy.yaml").write_text(yaml.safe_dump({**pack, "runtime": runtime}))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "planted", "runtime": runtime}))
    (tmp_path / "project" / "__main__.py").write_text(PROGRAM)
    return tmp_path


def pulumi(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PULUMI_HOME": str(checkout / "home"),
        "PULUMI_BACKEND_URL": checkout.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=checkout / "project",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def preview(checkout: Path, image: str) -> subprocess.CompletedProcess[str]:
    pulumi(checkout, "stack", "init", "dev")
    pulumi(checkout, "config", "set", "image", image, "--stack", "dev")
    return pulumi(checkout, "preview", "--stack", "dev", "--policy-pack", str(checkout / "policies"))


def test_a_planted_violation_fails_the_preview_and_says_what_to_do(checkout: Path) -> None:
    done = preview(checkout, "docker.io/library/redis:latest")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "image-exact" in done.stdout
    assert "write name:1.2.3" in done.stdout


def test_a_good_program_passes_the_pack(checkout: Path) -> None:
    done = preview(checkout, "docker.io/library/redis:8.2.3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "raibid-ci" in done.stdout
