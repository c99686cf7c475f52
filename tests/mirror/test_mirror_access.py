"""Whom the mirrors' commands speak as."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.forge.github_fake import FakeApp, FakeGithub
from tests.mirror.command import Command
from tests.mirror.gitea_of_git import GiteaOfGit


def test_an_app_speaks_to_github_where_its_file_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    (tmp_path / "app.pem").write_bytes(private)
    (tmp_path / "app.json").write_text(json.dumps({"app": "1", "installation": 7890, "key_file": "app.pem"}))
    app = FakeApp(id="1", installation=7890, public_key=public.decode())
    with FakeGithub(app=app) as github, GiteaOfGit(tmp_path / "gitea") as gitea:
        github.repository("acme/anvil", private=True).commit({"a": "1"})
        command = Command(tmp_path, gitea.url, github.url, gitea.credentials(tmp_path / "credentials"))
        host = f"{{name: 127.0.0.1, port: {github.port}, http: true, private: true}}"
        command.write(f"hosts: [{host}]\norg: [{{github: acme, target: acme}}]\n")
        without = command.plan()
        monkeypatch.setenv("RAIBID_GITHUB_APP_FILE", str(tmp_path / "app.json"))
        having = command.plan()
    assert without["troubles"]  # the credentials file has no line of GitHub's
    assert (having["troubles"], [one["target"] for one in having["actions"]]) == ([], ["acme", "acme/anvil"])
