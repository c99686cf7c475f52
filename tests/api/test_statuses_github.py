"""GitHub is told as Gitea is; its limits are its own, and Gitea goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from raibid.api.comments import Comments
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.settings import Settings
from raibid.api.statuses import Statuses
from raibid.api.telling import Telling
from raibid.forge.gitea import GiteaClient
from raibid.forge.github import GithubClient
from raibid.ledger import Ledger
from raibid.model.job import JobStatus

from tests.api.conftest import end, enqueue, served
from tests.api.test_comments import ends
from tests.forge.fake_forge import FakeForge
from tests.forge.github_fake import FakeGithub, Repository
from tests.waiting import until


@dataclass
class Both:
    """A Gitea and a GitHub, told by one API process; the clock is the test's."""

    ledger: Ledger
    gitea: FakeForge
    github: FakeGithub
    place: Path
    now: float = 0.0
    telling: Telling = field(init=False)

    def __post_init__(self) -> None:
        gitea = partial(GiteaClient.connect, self.gitea.url, self.gitea.credentials(self.place / "gitea"), tries=0)
        github = partial(GithubClient.connect, self.github.url, self.github.credentials(self.place / "github"), tries=0)
        self.telling = Telling(
            self.ledger,
            {"gitea": gitea, "github": github},
            [Statuses(""), Comments(self.ledger, "")],
            Metrics(self.ledger.depth),
            patience=partial(Patience, clock=lambda: self.now, jitter=lambda: 1.0),
            clock=lambda: self.now,
        )

    def round(self, seconds: float = 0.0) -> int:
        self.now += seconds
        return self.telling.round()


@pytest.fixture
def github() -> Iterator[FakeGithub]:
    with FakeGithub() as github:
        yield github


@pytest.fixture
def anvil(github: FakeGithub) -> Repository:
    return github.repository("acme/anvil")


@pytest.fixture
def both(ledger: Ledger, forge: FakeForge, github: FakeGithub, anvil: Repository, tmp_path: Path) -> Both:
    del anvil  # is there
    return Both(ledger, forge, github, tmp_path)


def states(repository: Repository, sha: str) -> list[str]:
    return [s["state"] for s in repository.statuses if s["sha"] == sha]


def push(ledger: Ledger, repository: Repository) -> str:
    """A job of a new commit, whose sha is returned."""
    sha = repository.commit({"a.rs": str(len(repository.commits))})
    enqueue(ledger, sha, forge="github", repo=repository.full_name, sha=sha)
    return sha


def test_github_shows_a_job_from_its_start_to_its_end(both: Both, anvil: Repository) -> None:
    sha = push(both.ledger, anvil)
    both.round()
    end(both.ledger, JobStatus.FAILED)
    both.round()
    assert states(anvil, sha) == ["pending", "failure"]


def test_a_pull_request_on_github_gets_its_status_and_its_comment(both: Both, anvil: Repository) -> None:
    anvil.commit({"a.rs": "1"})
    sha = anvil.commit({"a.rs": "2"}, branch="offer")
    number = anvil.pull("offer", title="Take it", author="ada")
    ref = f"refs/pull/{number}/head"
    enqueue(both.ledger, forge="github", event="pull_request", ref=ref, sha=sha)
    ends(both.ledger, "unused variable")
    both.round()
    assert states(anvil, sha) == ["failure"]
    [comment] = anvil.comments[number]
    assert "unused variable" in comment["body"]


def test_a_renamed_repository_is_told_under_its_new_name(both: Both, github: FakeGithub, anvil: Repository) -> None:
    sha = push(both.ledger, anvil)
    github.rename("acme/anvil", "acme/hammer")
    both.round()
    assert states(anvil, sha) == ["pending"]
    assert both.ledger.untold() == []


def limited(github: FakeGithub) -> None:
    github.limit, github.remaining, github.reset_in = 5_000, 0, 1_800.0


def asked_to_wait(github: FakeGithub) -> None:
    github.secondary = 1_800


@pytest.mark.parametrize("limit", [limited, asked_to_wait])
def test_githubs_limit_holds_up_all_of_github_for_as_long_as_it_says_and_gitea_not_at_all(
    both: Both, github: FakeGithub, anvil: Repository, limit: Callable[[FakeGithub], None]
) -> None:
    limit(github)
    first = push(both.ledger, anvil)
    second = push(both.ledger, github.repository("acme/rocket"))
    enqueue(both.ledger, "gitea", forge="gitea", sha="6" * 40)
    both.round()
    asked = len(github.asked)
    assert asked == 1, "no other repository of GitHub's is tried"
    assert both.gitea.shown("6" * 40) == "pending"
    for _ in range(29):
        both.round(60)
    assert len(github.asked) == asked
    github.secondary, github.remaining = 0, 5_000
    both.round(120)
    assert states(anvil, first) == ["pending"]
    assert states(github.repositories["acme/rocket"], second) == ["pending"]
    assert both.ledger.untold() == []


def test_the_running_api_tells_github(
    make_settings: Callable[..., Settings], ledger: Ledger, github: FakeGithub, anvil: Repository, tmp_path: Path
) -> None:
    credentials = github.credentials(tmp_path / "credentials")
    settings = make_settings(github_url=github.url, forge_credentials_file=credentials, status_seconds=0.02)
    with served(settings, ledger):
        sha = push(ledger, anvil)
        until(lambda: states(anvil, sha) == ["pending"])
