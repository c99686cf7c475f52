"""The stack `local` on the real engine: file backend, bare repository, no cluster."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from components import sops
from components.engine import cli as engine
from components.fleet.plan import record_path
from components.image.context import build_context
from components.manifest_tree import Emission
from components.rendering import MARKER
from components.secret_values import deriver
from components.settings import load_stack
from components.settings.rules import LABELS
from components.systems import emission
from tests.engine.conftest import PATIENCE, Stack, Witnessed, make_stack

pytestmark = pytest.mark.engine


def test_up_emits_the_flux_repository_and_the_image_context(deployed: Stack) -> None:
    tree = emission(load_stack("local", deployed.workspace.path))
    present = set(deployed.git("ls-tree", "-r", "--name-only", "main").splitlines())
    assert {*tree.files, *tree.secrets, *tree.seeds} <= present
    for path, data in tree.files.items():
        assert deployed.git("show", f"main:{path}").encode() == data
    context = (deployed.root / "build/image/context.tar").read_bytes()
    assert hashlib.sha256(context).hexdigest() == build_context(deployed.root).hash


def test_every_emitted_secret_opens_with_the_clusters_key(deployed: Stack) -> None:
    key = (deployed.workspace.keys / "cluster.agekey").read_text().strip()
    for path, secret in emission(load_stack("local", deployed.workspace.path)).secrets.items():
        opened = sops.decrypt(deployed.git("show", f"main:{path}").encode(), key)
        assert opened["metadata"]["name"] == secret.name


def test_a_second_up_changes_nothing(deployed: Stack) -> None:
    before = deployed.git("rev-parse", "main")
    deployed.up("--expect-no-changes")
    assert deployed.git("rev-parse", "main") == before


@contextmanager
def edited(stack: Stack, said: str = "profile: balanced", says: str = "profile: conservative") -> Iterator[None]:
    """The settings say something else while the block runs."""
    text = stack.settings.read_text()
    other = text.replace(said, says)
    assert other != text
    try:
        stack.settings.write_text(other)
        stack.refresh()
        yield
    finally:  # the stack is shared: one failed test must not fail the others
        stack.settings.write_text(text)
        stack.refresh()


def test_a_preview_of_an_edit_names_its_files_and_touches_nothing(deployed: Stack) -> None:
    before = deployed.git("rev-parse", "main")
    with edited(deployed):
        told = deployed.run("preview", "--diff")
    changed = {line.split()[1] for line in told.splitlines() if line.strip().startswith("~") and ".yaml" in line}
    assert {name.strip(':"') for name in changed} == {"clusters/local/cluster-vars.yaml"}
    assert deployed.git("rev-parse", "main") == before


def test_an_edit_of_the_settings_changes_exactly_the_files_that_say_it(deployed: Stack) -> None:
    before = deployed.git("rev-parse", "main").strip()
    with edited(deployed):
        deployed.up()
        changed = deployed.git("diff", "--name-only", before, "main").splitlines()
    deployed.up()
    assert changed == ["clusters/local/cluster-vars.yaml", record_path("local")]
    assert deployed.git("diff", "--stat", before, "main") == "", "taking it back takes every byte back"


def test_a_stack_that_does_not_fit_fails_its_preview_with_the_ledger_and_no_traceback(deployed: Stack) -> None:
    with edited(deployed, "disk: 1Gi", "disk: 900Gi"):
        told = deployed.refused("preview")
    assert "apps does not fit" in told
    assert "<--" in told
    assert "Traceback" not in told


def asked_of(tree: Emission) -> set[str]:
    """Labels of the passwords that the tree's Secrets are made of."""
    labels = set[str]()

    def derive(label: str) -> str:
        labels.add(label)
        return f"password of {label}"

    for secret in tree.secrets.values():
        secret.manifest(derive)
    return labels


def test_no_secret_is_in_previews_logs_arguments_or_state(witnessed: Witnessed) -> None:
    stack = witnessed.stack
    keys = stack.workspace.keys
    kept = {name: (keys / name).read_text().strip() for name in ("seed", "cluster.agekey", "recovery.agekey")}
    settings = load_stack("local", stack.workspace.path)
    derive = deriver(kept["seed"], settings.rotation)
    labels = {*LABELS, *asked_of(emission(settings))}
    sentinels = [value.encode() for value in (*kept.values(), *map(derive, labels))]
    with edited(stack):  # an edit, so that the push has something to show
        told = witnessed.told + stack.run("preview", "--diff") + stack.run("preview", "--json")
    state = b"".join(file.read_bytes() for file in stack.workspace.backend.rglob("*") if file.is_file())
    tree = stack.git("log", "-p", "main").encode()
    assert any(b"components" in line and b"push" in line for line in witnessed.arguments), "the push was seen"
    assert '"level":' in witnessed.told, "the engine's own log was seen"
    assert any(b"config" in line and b"seed" in line for line in witnessed.arguments), "and the setting of the seed"
    assert len(sentinels) >= 14
    for sentinel in sentinels:
        assert len(sentinel) >= 64
        for place in (told.encode(), state, tree, *witnessed.arguments):
            assert sentinel not in place


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of an S3 service of its own; its URL as a backend."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    try:
        boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket="state")
        yield f"s3://state?endpoint=http://{host}:{port}&s3ForcePathStyle=true"
    finally:
        server.stop()


def test_state_may_be_kept_in_s3(local: Stack, bucket: str) -> None:
    env = {**engine.environment(local.workspace, local.pulumi.env), **os.environ, "PULUMI_BACKEND_URL": bucket}
    env |= {"PULUMI_HOME": local.pulumi.env["PULUMI_HOME"]}

    def pulumi(*arguments: str) -> str:
        command = [local.pulumi.program, *arguments, "--non-interactive"]
        done = subprocess.run(
            command,
            cwd=local.workspace.path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    pulumi("stack", "init", "local", "--no-select")
    pulumi("up", "--stack", "local", "--yes", "--skip-preview")
    pulumi("preview", "--stack", "local", "--expect-no-changes")


def components(*arguments: str, home: Path) -> str:
    env = {**os.environ, "XDG_STATE_HOME": str(home), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "components", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_the_engine_the_repository_is_the_same(deployed: Stack) -> None:
    before = deployed.git("rev-parse", "main").strip()
    told = components("up", "--no-engine", "--json", home=deployed.workspace.path.parents[2])
    assert json.loads(told)["revision"] == before


def test_what_is_rendered_is_what_was_pushed(deployed: Stack, tmp_path: Path) -> None:
    out = tmp_path / "rendered"
    components("render", "--stack", "local", "--out", str(out), home=tmp_path)
    rendered = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != MARKER}
    for path, data in rendered.items():
        if path != ".sops.yaml":  # it names the recipients of this machine
            assert deployed.git("show", f"main:{path}").encode() == data


def test_components_preview_shows_what_the_engine_says(program: str, tmp_path: Path) -> None:
    told = components("preview", "--stack", "local", home=tmp_path)
    assert "raibid:components:FluxRepo" in told
    assert "to create" in told


def test_a_preview_of_the_real_machine_needs_no_cluster(program: str, tmp_path: Path) -> None:
    if not engine.has_plugin("kubernetes"):
        pytest.skip("needs pulumi-resource-kubernetes; `plan` covers the same graph without it")
    told = make_stack(program, tmp_path, "dgx-spark").run("preview")
    assert "raibid:components:K3s" in told


def test_destroy_leaves_the_history_alone(deployed: Stack) -> None:
    """The last test of this file: it takes the shared stack away."""
    history = deployed.git("log", "--format=%H %T", "main")
    deployed.run("destroy", "--yes", "--skip-preview")
    assert deployed.git("log", "--format=%H %T", "main") == history
