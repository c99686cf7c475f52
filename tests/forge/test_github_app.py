"""A GitHub App's login: one token an hour, from a key that is nowhere but in its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from raibid.forge.errors import ForgeLoginError
from raibid.forge.github import App, GithubClient

from tests.forge.github_fake import FakeApp, FakeGithub

_START = 1_700_000_000.0


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class World:
    """An App that is installed at acme, and a clock that stands still."""

    github: FakeGithub
    file: Path
    now: float = _START

    def app(self) -> App:
        return App(self.github.url, self.file, clock=lambda: self.now)

    def minted(self) -> int:
        return len([asked for asked in self.github.asked if asked.endswith("/access_tokens")])

    def write(self, **facts: object) -> None:
        known = {"app": "123456", "installation": 7890, "key_file": "app.pem"}
        self.file.write_text(json.dumps({**known, **facts}))


@pytest.fixture
def world(key: rsa.RSAPrivateKey, tmp_path: Path) -> Iterator[World]:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip
    (tmp_path / "app.pem").write_bytes(private)
    with FakeGithub(app=FakeApp(id="123456", installation=7890, public_key=public)) as github:
        github.repository("acme/anvil", private=True).commit({"a": "1"})
        world = World(github, tmp_path / "app.json")
        github.clock = lambda: world.now
        world.write()
        yield world


def test_a_token_serves_every_client_until_shortly_before_it_expires(world: World) -> None:
    app = world.app()
    for now, minted in ((0, 1), (3_299, 1), (3_301, 2)):
        world.now = _START + now
        for _ in range(2):
            with GithubClient.connect(world.github.url, app) as client:
                client.heads("acme/anvil")
        assert world.minted() == minted


def test_a_token_that_was_revoked_early_is_replaced(world: World) -> None:
    app = world.app()
    with GithubClient.connect(world.github.url, app) as client:
        client.heads("acme/anvil")
        world.github.tokens.clear()
        with pytest.raises(ForgeLoginError):
            client.heads("acme/anvil")
        assert client.heads("acme/anvil")


def test_an_app_lists_what_it_was_installed_for(world: World) -> None:
    with GithubClient.connect(world.github.url, world.app()) as client:
        assert [one.full_name for one in client.repositories()] == ["acme/anvil"]


def test_an_app_finds_its_own_comment_again(world: World) -> None:
    anvil = world.github.repositories["acme/anvil"]
    number = anvil.pull("main")
    with GithubClient.connect(world.github.url, world.app()) as client:
        for text in ("red", "green"):
            client.upsert_comment("acme/anvil", number, "<!-- raibid:pr -->", text)
    [comment] = anvil.comments[number]
    assert (comment["user"]["login"], comment["body"][-5:]) == ("raibid-ci[bot]", "green")


@pytest.mark.parametrize(
    "facts",
    [
        {"app": "999"},  # the key is not that App's
        {"installation": 1},  # not "the repository is not there"
        {"key_file": "nothing.pem"},
        {"key_file": "app.json"},  # no key
        {"installation": "one"},
        {"tokn": "misspelt"},
    ],
)
def test_what_is_wrong_with_the_files_is_said_and_their_content_is_not(world: World, facts: dict[str, object]) -> None:
    world.write(**facts)
    with GithubClient.connect(world.github.url, world.app()) as client, pytest.raises(ForgeLoginError) as raised:
        client.heads("acme/anvil")
    assert "PRIVATE KEY" not in f"{raised.value!r} {raised.value.__cause__!r}"


def test_a_missing_file_is_the_operators_to_mend(world: World) -> None:
    world.file.unlink()
    with pytest.raises(ForgeLoginError, match="No such file"):
        world.app().authorization()
