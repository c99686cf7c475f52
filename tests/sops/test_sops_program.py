"""The real `sops` against our files: it must read every byte that we write, and see what we see."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from components import sops
from components.manifest_tree import Manifest, SecretManifest
from components.secret_values import deriver
from components.settings import load_stack
from components.systems import emission

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.skipif(shutil.which("sops") is None, reason="sops is not on PATH")


class Program:
    """sops with one age key and nobody's configuration."""

    def __init__(self, directory: Path, key: str) -> None:
        self.directory = directory
        self._key = FIXTURES / "keys" / f"{key}.txt"

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "SOPS_AGE_KEY_FILE": str(self._key)}
        return subprocess.run(
            ["sops", *arguments], cwd=self.directory, env=environment, text=True, capture_output=True, timeout=60
        )

    def decrypt(self, data: bytes) -> subprocess.CompletedProcess[str]:
        (self.directory / "secret.enc.yaml").write_bytes(data)
        return self("decrypt", "secret.enc.yaml")


@pytest.fixture(params=["cluster", "recovery"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    return Program(tmp_path, request.param)


def test_sops_opens_our_file_and_its_mac_verifies(
    program: Program, secret: Manifest, recipients: tuple[str, ...]
) -> None:
    answer = program.decrypt(sops.encrypt(secret, recipients, now=NOW))
    assert answer.returncode == 0, answer.stderr
    assert yaml.safe_load(answer.stdout) == secret


def test_sops_refuses_a_changed_byte_of_our_file(
    program: Program, secret: Manifest, recipients: tuple[str, ...]
) -> None:
    data = sops.encrypt(secret, recipients, now=NOW)
    removed = b"".join(line for line in data.splitlines(keepends=True) if b"umlaut" not in line)
    for changed in (data.replace(b"  umlaut:", b"  renamed:"), removed, data.replace(b"21T12", b"21T13")):
        assert program.decrypt(changed).returncode != 0


def test_sops_opens_what_we_gave_new_recipients_or_a_new_data_key(
    tmp_path: Path, secret: Manifest, cluster_key: str, stranger_key: str, recipients: tuple[str, ...]
) -> None:
    data = sops.encrypt(secret, recipients, now=NOW)
    stranger = Program(tmp_path, "stranger")
    assert stranger.decrypt(data).returncode != 0
    shared = sops.update_keys(data, cluster_key, (*recipients, *sops.public_keys(stranger_key)))
    assert stranger.decrypt(shared).returncode == 0
    assert stranger.decrypt(sops.rotate(shared, cluster_key, now=NOW)).returncode == 0


def test_we_open_what_sops_rotated(
    tmp_path: Path, secret: Manifest, cluster_key: str, recipients: tuple[str, ...]
) -> None:
    program = Program(tmp_path, "cluster")
    (tmp_path / "secret.enc.yaml").write_bytes(sops.encrypt(secret, recipients, now=NOW))
    answer = program("rotate", "-i", "secret.enc.yaml")
    assert answer.returncode == 0, answer.stderr
    assert sops.decrypt((tmp_path / "secret.enc.yaml").read_bytes(), cluster_key) == secret


def test_sops_encrypts_by_the_rules_that_we_emit(
    tmp_path: Path, secret: Manifest, recovery_key: str, recipients: tuple[str, ...]
) -> None:
    settings = load_stack("local")
    keys = {"cluster": recipients[0], "recovery": recipients[1]}
    known = settings.model_validate({**settings.model_dump(by_alias=True), "recipients": keys})
    (tmp_path / ".sops.yaml").write_text(sops.tree(known).files[".sops.yaml"])
    (tmp_path / "new.enc.yaml").write_text(yaml.safe_dump(dict(secret)))
    answer = Program(tmp_path, "cluster")("encrypt", "-i", "new.enc.yaml")
    assert answer.returncode == 0, answer.stderr
    data = (tmp_path / "new.enc.yaml").read_bytes()
    assert sops.decrypt(data, recovery_key) == secret
    assert yaml.safe_load(data)["sops"]["mac_only_encrypted"] is True


def test_sops_opens_every_secret_of_a_rendered_tree(tmp_path: Path, recipients: tuple[str, ...]) -> None:
    derive = deriver("s" * 32, {})
    secrets: dict[str, SecretManifest] = dict(emission(load_stack("dgx-spark")).secrets)
    assert secrets
    for path, item in secrets.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(sops.encrypt(item.manifest(derive), recipients, now=NOW))
    program = Program(tmp_path, "recovery")
    for path, item in secrets.items():
        answer = program("decrypt", path)
        assert answer.returncode == 0, f"{path}: {answer.stderr}"
        assert yaml.safe_load(answer.stdout) == item.manifest(derive)
