"""A stack's private place on this machine, and `components up` without an engine."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components import sops
from components.__main__ import run
from components.checkout import ROOT
from components.engine import cli as engine
from components.engine import stack_keys
from components.engine.workspace import Workspace, default_path, prepare
from components.settings import SettingsError, load_stack
from components.systems import emission


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout whose settings may be edited."""
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("Pulumi.yaml", "Pulumi.local.yaml", "Pulumi.dgx-spark.yaml", "uv.lock"):
        shutil.copyfile(ROOT / name, root / name)
    return root


def config(workspace: Workspace) -> dict[str, object]:
    content = YAML(typ="safe").load(workspace.stack_file)["config"]
    return {key.removeprefix("raibid-ci:"): value for key, value in content.items()}


def test_it_is_readable_by_its_owner_alone(tmp_path: Path, root: Path) -> None:
    workspace = prepare("local", tmp_path / "private", root)
    assert stat.S_IMODE(workspace.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(workspace.passphrase.stat().st_mode) == 0o600


def test_it_adds_the_repository_and_the_recipients_of_this_machine(tmp_path: Path, root: Path) -> None:
    workspace = prepare("local", tmp_path / "private", root)
    keys = stack_keys.kept_in(workspace.keys)
    settings = load_stack("local", workspace.path)
    assert settings.fleet.url == str(workspace.fleet)
    assert settings.recipients is not None
    assert settings.recipients.cluster == keys.cluster.public
    assert (workspace.fleet / "HEAD").exists()


def test_preparing_twice_changes_nothing(tmp_path: Path, root: Path) -> None:
    workspace = prepare("local", tmp_path / "private", root)
    before = {p: p.read_bytes() for p in workspace.path.rglob("*") if p.is_file()}
    prepare("local", workspace.path, root)
    assert {p: p.read_bytes() for p in workspace.path.rglob("*") if p.is_file()} == before


def test_an_edit_of_the_checkout_is_taken_over_and_the_engines_secrets_are_kept(tmp_path: Path, root: Path) -> None:
    workspace = prepare("local", tmp_path / "private", root)
    content = YAML(typ="safe").load(workspace.stack_file)
    content["encryptionsalt"] = "v1:salt"
    content["config"]["raibid-ci:seed"] = {"secure": "v1:ciphertext"}
    with workspace.stack_file.open("w") as out:
        YAML(typ="safe").dump(content, out)
    stack_file = root / "Pulumi.local.yaml"
    stack_file.write_text(stack_file.read_text().replace("profile: balanced", "profile: conservative"))
    prepare("local", workspace.path, root)
    assert config(workspace)["profile"] == "conservative"
    assert workspace.closed() == {"seed"}
    assert YAML(typ="safe").load(workspace.stack_file)["encryptionsalt"] == "v1:salt"


def test_a_stack_with_a_cluster_gets_no_keys_here(tmp_path: Path, root: Path) -> None:
    workspace = prepare("dgx-spark", tmp_path / "private", root)
    assert not workspace.keys.exists()
    assert not workspace.fleet.exists()


def test_a_mistake_in_the_settings_makes_nothing(tmp_path: Path, root: Path) -> None:
    with (root / "Pulumi.local.yaml").open("a") as file:
        file.write("  raibid-ci:colour: red\n")
    with pytest.raises(SettingsError):
        prepare("local", tmp_path / "private", root)
    assert not (tmp_path / "private").exists()


def test_state_lives_where_xdg_says(tmp_path: Path) -> None:
    assert default_path("local", {"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "raibid/stack/local"


def test_the_engine_hears_of_the_passphrase_by_its_file_only(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "local")
    env = engine.environment(workspace, {"PATH": "/bin", "UV": "/opt/uv/bin/uv", "PULUMI_CONFIG_PASSPHRASE": "x"})
    assert env["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(workspace.passphrase)
    assert "PULUMI_CONFIG_PASSPHRASE" not in env
    assert env["PATH"] == "/opt/uv/bin:/bin"


def test_an_engine_without_its_plugin_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "pulumi").touch(mode=0o755)
    env = {"PATH": str(tmp_path), "PULUMI_HOME": str(tmp_path / "home")}
    assert engine.find(env) is None
    plugin = tmp_path / "home/plugins/resource-command-v1.2.1"
    plugin.mkdir(parents=True)
    (plugin / "pulumi-resource-command").touch()
    assert engine.find(env) == str(tmp_path / "pulumi")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the stack `local`, on a machine that has git and no Pulumi."""
    (tmp_path / "bin").mkdir()
    git = shutil.which("git")
    assert git
    (tmp_path / "bin/git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "raibid/stack/local"


def show(repository: Path, path: str) -> bytes:
    command = ["git", "-C", str(repository), "show", f"main:{path}"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_up_without_an_engine_pushes_the_same_tree_with_its_secrets(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    tree = emission(load_stack("local", home))
    assert told["missing"] == []
    for path, data in tree.files.items():
        assert show(home / "fleet.git", path) == data
    key = (home / "keys/cluster.agekey").read_text().strip()
    for path in tree.secrets:
        assert sops.decrypt(show(home / "fleet.git", path), key)["kind"] == "Secret"


def test_a_second_up_makes_no_commit(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["up", "--json"])
    first = json.loads(capsys.readouterr().out)
    assert run(["up", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == first


def test_a_place_that_cannot_be_used_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert run(["up"]) == 1
    assert "XDG_STATE_HOME" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


def test_a_repository_that_was_removed_by_hand_is_noticed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["up", "--json"])
    revision = json.loads(capsys.readouterr().out)["revision"]
    workspace = Workspace(home, "local")
    assert not workspace.lost(str(workspace.fleet), revision)
    assert not workspace.lost("https://elsewhere.example/fleet.git", revision)
    shutil.rmtree(workspace.fleet)
    assert workspace.lost(str(prepare("local", home).fleet), revision)
