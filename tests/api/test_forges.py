"""Which forges there are, and what connections to one share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raibid.api.forges import Connect, forges_of
from raibid.api.settings import Settings
from raibid.forge.errors import ForgeLimitError

from tests.forge.github_fake import TOKEN, FakeGithub


@pytest.fixture(name="github")
def fake_github() -> Iterator[FakeGithub]:
    with FakeGithub() as github:
        github.repository("acme/anvil").commit({"a": "1"})
        yield github


@pytest.fixture
def file(github: FakeGithub, tmp_path: Path) -> Path:
    return github.credentials(tmp_path / "credentials")


@pytest.fixture
def connect(github: FakeGithub, file: Path, make_settings: Callable[..., Settings]) -> Connect:
    return forges_of(make_settings(github_url=github.url, forge_credentials_file=file))["github"]


def heads(connect: Connect) -> None:
    with connect() as client:
        client.heads("acme/anvil")


def test_connections_of_one_token_share_what_they_remember_and_when_to_stop(
    github: FakeGithub, connect: Connect
) -> None:
    for _ in range(2):
        heads(connect)
    assert [one.status for one in github.answered] == [200, 304]
    github.secondary = 30
    for _ in range(2):
        with pytest.raises(ForgeLimitError):
            heads(connect)
    assert len(github.answered) == 3


def test_another_token_begins_anew(github: FakeGithub, connect: Connect, file: Path) -> None:
    heads(connect)
    github.secondary = 30
    with pytest.raises(ForgeLimitError):
        heads(connect)
    github.secondary = 0
    github.user("grace", token="ghp_another")
    file.write_text(file.read_text().replace(TOKEN, "ghp_another"))
    heads(connect)
    assert [(one.status, one.conditional) for one in github.answered] == [(200, False), (403, True), (200, False)]
