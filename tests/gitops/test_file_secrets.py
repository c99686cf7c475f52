"""Encrypted files are edited by the real sops: the value reaches it on its standard input and no other file is left."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pyrage
import pytest
import yaml
from raibid.gitops.errors import GitopsError, NotAllowedError, NotEditableError, SealedError
from raibid.gitops.files.edit import set_field
from raibid.gitops.files.manifests import add_manifests
from raibid.gitops.objects import Ref

pytestmark = pytest.mark.skipif(shutil.which("sops") is None, reason="sops is not on PATH")

TOKEN = Ref("", "Secret", "ci", "token")
PLAIN = """\
apiVersion: v1
kind: Secret
metadata:
  name: token
  namespace: ci
stringData:
  # the forge's
  forge: hunter2
  other: swordfish
"""


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's age key."""
    identity = pyrage.x25519.Identity.generate()
    file = tmp_path / "age.txt"
    file.write_text(f"# {identity.to_public()}\n{identity}\n")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(file))
    return file


@pytest.fixture
def repository(tmp_path: Path, key: Path) -> Path:
    """A repository with one encrypted Secret."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "kustomization.yaml").write_text("resources:\n- secret.enc.yaml\n")
    (root / "secret.enc.yaml").write_text(PLAIN)
    recipient = key.read_text().split()[1]
    rule = {"age": recipient, "encrypted_regex": "^(data|stringData)$", "mac_only_encrypted": True}
    config = {"stores": {"yaml": {"indent": 2}}, "creation_rules": [rule]}
    (tmp_path / "sops.yaml").write_text(yaml.safe_dump(config))
    command = ["sops", "--config", str(tmp_path / "sops.yaml"), "encrypt", "-i", str(root / "secret.enc.yaml")]
    subprocess.run(command, check=True, capture_output=True)
    return root


def opened(data: bytes, directory: Path) -> Mapping[str, object]:
    (directory / "opened.yaml").write_bytes(data)
    done = subprocess.run(["sops", "decrypt", str(directory / "opened.yaml")], check=True, capture_output=True)
    found = yaml.safe_load(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("field", ["stringData.forge", "data.forge"])
def test_one_value_is_sealed_again_and_the_others_stay_as_they_are(
    repository: Path, tmp_path: Path, field: str
) -> None:
    edit = set_field(repository, ".", TOKEN, field, "aHVudGVyMw==" if field[0] == "d" else "hunter3")
    data = edit.files["secret.enc.yaml"]
    assert data is not None
    assert b"hunter3" not in data
    assert opened(data, tmp_path)["stringData"] == {"forge": "hunter3", "other": "swordfish"}
    before = (repository / "secret.enc.yaml").read_text().splitlines()
    changed = {line.split(":")[0].strip() for line in data.decode().splitlines() if line not in before}
    assert changed - {"lastmodified"} == {"forge", "mac"}


def test_a_label_of_an_encrypted_secret_is_edited_by_sops_too(repository: Path, tmp_path: Path) -> None:
    data = set_field(repository, ".", TOKEN, "metadata.labels.team", "a").files["secret.enc.yaml"]
    assert data is not None
    assert opened(data, tmp_path)["metadata"] == {"name": "token", "namespace": "ci", "labels": {"team": "a"}}


def test_the_value_that_it_has_already_changes_nothing(repository: Path) -> None:
    assert set_field(repository, ".", TOKEN, "stringData.forge", "hunter2").files == {}


def test_without_the_key_the_error_says_so_and_nothing_else(repository: Path, key: Path) -> None:
    key.unlink()
    with pytest.raises(SealedError, match=r"secret\.enc\.yaml is encrypted, and no key") as raised:
        set_field(repository, ".", TOKEN, "stringData.forge", "hunter3")
    assert "hunter3" not in f"{raised.value} {raised.value.hint}"


def test_without_sops_the_error_says_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(SealedError, match="no `sops` on PATH"):
        set_field(repository, ".", TOKEN, "stringData.forge", "hunter3")


def test_the_value_is_in_no_argument_and_no_readable_directory(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = tmp_path / "bin" / "sops"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nstat -c %a "$PWD" > {tmp_path}/seen\necho "$@" >> {tmp_path}/seen\ncat >/dev/null\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", str(spy.parent), prepend=":")
    set_field(repository, ".", TOKEN, "stringData.forge", "hunter3")
    seen = (tmp_path / "seen").read_text()
    assert seen.startswith("700\n")
    assert "hunter3" not in seen


def test_a_secret_in_clear_is_never_added(tmp_path: Path) -> None:
    with pytest.raises(NotAllowedError, match="Secret/ci/token would be in Git in clear"):
        add_manifests(tmp_path, "", [yaml.safe_load(PLAIN)])
    for metadata in ({}, {"mac": "ENC[x]"}, None):
        with pytest.raises(NotAllowedError, match="in clear"):
            add_manifests(tmp_path, "", [{**yaml.safe_load(PLAIN), "sops": metadata}])


def test_a_value_that_is_no_base64_is_refused(repository: Path) -> None:
    with pytest.raises(NotEditableError, match="base64") as raised:
        set_field(repository, ".", TOKEN, "data.forge", "hunter3")
    assert isinstance(raised.value, GitopsError)
    assert "hunter3" not in str(raised.value)


def sealed(repository: Path, *arguments: str) -> bytes:
    """A file as sops encrypts it, with the repository's key."""
    config = repository.parent / "sops.yaml"
    done = subprocess.run(["sops", "--config", str(config), "encrypt", *arguments], check=True, capture_output=True)
    return done.stdout


def test_nothing_is_written_over_what_a_generator_takes_from_an_encrypted_file(repository: Path) -> None:
    (repository / "plain.env").write_text("FORGE=hunter2\n")
    (repository / "forge.enc.env").write_bytes(sealed(repository, str(repository / "plain.env")))
    (repository / "plain").write_text("hunter2")
    (repository / "forge.enc").write_bytes(sealed(repository, "--input-type", "binary", str(repository / "plain")))
    generators = [{"name": "line", "envs": ["forge.enc.env"]}, {"name": "file", "files": ["FORGE=forge.enc"]}]
    (repository / "kustomization.yaml").write_text(yaml.safe_dump({"secretGenerator": generators}))
    for name in ("line", "file"):
        with pytest.raises(SealedError, match=r"forge\.enc\S* is encrypted"):
            set_field(repository, "", Ref("", "Secret", "ci", name), "stringData.FORGE", "hunter3")


def test_a_value_of_an_encrypted_patch_is_sealed_in_the_patch(repository: Path, tmp_path: Path) -> None:
    (repository / "base.yaml").write_text(PLAIN.replace("hunter2", "nothing"))
    listed = {"resources": ["base.yaml"], "patches": [{"path": "secret.enc.yaml"}]}
    (repository / "kustomization.yaml").write_text(yaml.safe_dump(listed))
    edit = set_field(repository, "", TOKEN, "stringData.forge", "hunter3")
    data = edit.files["secret.enc.yaml"]
    assert data is not None
    assert b"hunter3" not in data
    assert opened(data, tmp_path)["stringData"] == {"forge": "hunter3", "other": "swordfish"}


def test_an_encrypted_object_that_comes_again_replaces_the_whole_file(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(PLAIN.replace("hunter2", "hunter3"))
    new = yaml.safe_load(sealed(repository, str(tmp_path / "plain.yaml")))
    data = add_manifests(repository, "", [new]).files["secret.enc.yaml"]
    assert data is not None
    assert opened(data, tmp_path)["stringData"] == {"forge": "hunter3", "other": "swordfish"}


VAULT = {"hc_vault": [{"vault_address": "http://127.0.0.1:9", "engine_path": "sops", "key_name": "k", "enc": "v"}]}


@pytest.mark.parametrize(
    "metadata", [VAULT, {"key_groups": [VAULT]}, {"KMS": [{"arn": "a"}]}, {"azure_kv": [{"vault_url": "http://a"}]}]
)
def test_a_service_that_the_repository_names_is_never_asked_for_a_key(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, object]
) -> None:
    file = repository / "secret.enc.yaml"
    whole = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**whole, "sops": {**whole["sops"], **metadata}}))
    ran = spied(tmp_path, monkeypatch)
    with pytest.raises(SealedError, match="only age and PGP"):
        set_field(repository, "", TOKEN, "stringData.forge", "hunter3")
    assert not ran.exists()


@pytest.mark.parametrize("more", ['"sops": {"mac": "ENC[x]"}', '"SOPS": {"hc_vault": [{}]}'])
def test_metadata_that_two_readers_take_for_two_things_is_refused(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    text = json.dumps(yaml.safe_load((repository / "secret.enc.yaml").read_text()))
    (repository / "secret.enc.yaml").write_text(f"{text[:-1]}, {more}}}")
    ran = spied(tmp_path, monkeypatch)
    with pytest.raises(SealedError, match="not as sops writes it"):
        set_field(repository, "", TOKEN, "stringData.forge", "hunter3")
    assert not ran.exists()


def test_the_operators_home_stays_the_operators(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = spied(tmp_path, monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VAULT_TOKEN", "swordfish")
    set_field(repository, "", TOKEN, "stringData.forge", "hunter3")
    assert str(tmp_path / "home") not in ran.read_text()
    assert "swordfish" not in ran.read_text()


def test_a_key_file_is_found_from_where_the_operator_stands(
    repository: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(key.parent)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", key.name)
    assert set_field(repository, "", TOKEN, "stringData.forge", "hunter3").files


def test_a_key_in_its_usual_place_is_found(repository: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = key.parent / "home" / ".config" / "sops" / "age" / "keys.txt"
    usual.parent.mkdir(parents=True)
    key.rename(usual)
    monkeypatch.delenv("SOPS_AGE_KEY_FILE")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(key.parent / "home"))
    assert set_field(repository, "", TOKEN, "stringData.forge", "hunter3").files


def spied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sops that only writes down its environment."""
    spy, seen = tmp_path / "bin" / "sops", tmp_path / "ran"
    spy.parent.mkdir()
    spy.write_text(f"#!/bin/sh\nenv >> {seen}\ncat >/dev/null\n")
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", str(spy.parent), prepend=":")
    return seen
