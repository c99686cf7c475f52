"""Deliveries of the fixtures, parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raibid.forge import gitea, github
from raibid.forge.github import GithubClient
from raibid.model.pull_request_event import PullRequestClosed, PullRequestEvent
from raibid.model.push_event import PushEvent

from tests.forge.fake_forge import FakeForge
from tests.forge.github_fake import FakeGithub, Repository

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def event() -> Callable[[str], PushEvent]:
    """The push in `fixtures/<name>.json`; the name begins with its forge."""

    def load(name: str) -> PushEvent:
        forge = name.partition("-")[0]
        headers = {f"x-{forge}-event": "push"}
        parse = {"gitea": gitea.parse, "github": github.parse}[forge]
        parsed = parse(headers, (FIXTURES / f"{name}.json").read_bytes())
        assert isinstance(parsed, PushEvent)
        return parsed

    return load


@pytest.fixture(scope="session")
def pull_request() -> Callable[[str], PullRequestEvent | PullRequestClosed | None]:
    """The pull request in `fixtures/<forge>-<name>.json`."""

    def load(name: str) -> PullRequestEvent | PullRequestClosed | None:
        forge = name.partition("-")[0]
        headers = {f"x-{forge}-event": "pull_request"}
        parse = {"gitea": gitea.parse, "github": github.parse}[forge]
        parsed = parse(headers, (FIXTURES / f"{name}.json").read_bytes())
        assert parsed is None or isinstance(parsed, PullRequestEvent | PullRequestClosed)
        return parsed

    return load


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    """A forge that is up."""
    forge = FakeForge()
    forge.start()
    yield forge
    forge.stop()


@pytest.fixture(name="github")
def fake_github() -> Iterator[FakeGithub]:
    """A GitHub that is up."""
    with FakeGithub() as github:
        yield github


@pytest.fixture
def anvil(github: FakeGithub) -> Repository:
    """A private repository there, with a commit on main."""
    anvil = github.repository("acme/anvil", private=True, description="Heavy")
    anvil.commit({"src/a.rs": "1", "README.md": "it"}, "The first one")
    return anvil


@pytest.fixture
def github_client(github: FakeGithub, tmp_path: Path) -> Iterator[GithubClient]:
    """Who asks it, as the bot; nothing is tried twice."""
    with GithubClient.connect(github.url, github.credentials(tmp_path / "github"), tries=0) as client:
        yield client
