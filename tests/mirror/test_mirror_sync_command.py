"""`raibid mirror hooks | verify | status | sync` as people run them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forge.github_fake import FakeGithub
from tests.mirror.command import Command
from tests.mirror.gitea_of_git import GiteaOfGit, Upstream

URL = "https://ci.example.org"
NAME = "acme/anvil"


@pytest.fixture
def github() -> Iterator[FakeGithub]:
    with FakeGithub() as github:
        github.repository("forge/anvil")
        github.repository("forge/tongs")
        yield github


@pytest.fixture
def command(
    tmp_path: Path, gitea: GiteaOfGit, github: FakeGithub, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> Command:
    file = github.credentials(tmp_path / "credentials")
    file.write_text(file.read_text() + gitea.credentials(tmp_path / "gitea-credentials").read_text())
    (tmp_path / "secrets").write_text("# the oldest last\nnewest-webhook-secret\nolder-webhook-secret\n")
    monkeypatch.setenv("RAIBID_WEBHOOK_SECRETS_FILE", str(tmp_path / "secrets"))
    command = Command(tmp_path, gitea.url, github.url, file)
    host, port = upstream.host
    ports = (port, github.port)
    hosts = ", ".join(f"{{name: {host}, port: {each}, http: true, private: true}}" for each in ports)
    command.write(
        f"hosts: [{hosts}]\n"
        "single:\n"
        f"  - {{source: '{github.url}/forge/anvil.git', target: smithy/anvil, hook: true}}\n"
        f"  - {{source: '{github.url}/forge/tongs.git', target: smithy/tongs}}\n"
        f"  - {{source: '{upstream.url('anvil')}', target: {NAME}, hook: true}}\n"
    )
    return command


def test_github_is_asked_to_tell_of_the_sources_that_want_it_and_of_no_others(
    command: Command, github: FakeGithub
) -> None:
    code, out, err = command.run("hooks", "--url", URL)
    assert (code, err) == (1, ""), out  # one source is not GitHub's
    assert "forge/anvil: created" in out
    assert "not at GitHub: its pushes are found by looking" in out
    [hook] = github.repositories["forge/anvil"].hooks
    assert (hook.config["url"], hook.config["secret"]) == (f"{URL}/webhook/github-sync", "newest-webhook-secret")
    assert not github.repositories["forge/tongs"].hooks
    github.answered.clear()
    assert "forge/anvil: unchanged" in command.run("hooks", "--url", URL)[1]
    assert not github.writes()


def test_a_source_whose_hooks_are_not_ours_to_make_is_a_finding(command: Command, github: FakeGithub) -> None:
    github.trouble = lambda asked: 404 * ("/hooks" in asked)
    code, out, err = command.run("hooks", "--url", URL)
    assert (code, err) == (1, "")
    assert "forge/anvil: " in out
    assert "404" in out


def test_verify_says_which_branch_differs_and_changes_nothing(
    command: Command, gitea: GiteaOfGit, upstream: Upstream
) -> None:
    assert command.run("verify") == (0, f"{NAME}: verified, 1 branches\n", "")
    upstream.push("anvil", "two")
    code, out, _ = command.run("verify", NAME, "--json")
    [mirror] = json.loads(out)["mirrors"]
    assert (code, mirror["state"], mirror["reason"]) == (1, "behind", "1 of 1 refs differ: main")
    assert not [asked for asked in gitea.asked if not asked.startswith("GET")]
    assert command.run("verify", "acme/nothing")[0] == 7
