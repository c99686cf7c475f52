"""The real engine on Pulumi.yaml: what it refuses before the program starts, and what it lets through."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LEAST = """\
config:
  raibid-ci:cluster: {kind: existing}
  raibid-ci:nodes: [{name: one, cpu: 20, memory: 128Gi, disk: 1000Gi}]
  raibid-ci:images: {agent: {repository: r.example/a}, api: {repository: r.example/b}}
"""
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not shutil.which("pulumi"), reason="needs the Pulumi CLI on PATH"),
]


def preview(directory: Path, stack: str) -> str:
    """What `pulumi preview` says of a stack's file, with a program that would say so if it were run."""
    schema = (ROOT / "Pulumi.yaml").read_text()
    # A runtime that is not there: whoever gets that far has passed the schema.
    (directory / "Pulumi.yaml").write_text(schema.replace("name: python", "name: passed-the-schema"))
    (directory / "Pulumi.x.yaml").write_text(stack)
    (directory / "state").mkdir()
    env = {
        **os.environ,
        "PULUMI_BACKEND_URL": f"file://{directory / 'state'}",
        "PULUMI_HOME": str(directory / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "fixture",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    said = ""
    for command in (["stack", "init", "x"], ["preview", "--stack", "x"]):
        done = subprocess.run(
            ["pulumi", *command, "--non-interactive", "--color", "never"],
            cwd=directory,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        said += done.stdout + done.stderr
    return said


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (LEAST, "passed-the-schema"),
        (LEAST.replace("raibid-ci:cluster", "raibid-ci:fleet"), "missing configuration value 'cluster'"),
        ("config: {}\n", "missing configuration values 'cluster', 'images' and 'nodes'"),
        (LEAST + "  raibid-ci:reserved: much\n", "'reserved' must be of type 'object'"),
        (LEAST + "  raibid-ci:profile: [balanced]\n", "'profile' must be of type 'string'"),
    ],
    ids=["least", "one-missing", "all-missing", "wrong-type-of-a-section", "wrong-type-of-a-value"],
)
def test_the_engine_reads_the_schema_as_it_is_meant(stack: str, message: str, tmp_path: Path) -> None:
    assert message in preview(tmp_path, stack)
