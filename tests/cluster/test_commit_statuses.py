"""The forge's side of the pool against a real Gitea: statuses, what it refuses, its pull requests and their commits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.statuses import Statuses
from raibid.api.telling import Telling
from raibid.forge import Build, Enrolment, decide, gitea
from raibid.forge.commit_status import CommitState, CommitStatus
from raibid.forge.errors import ForgeForbiddenError, ForgeLoginError, ForgeNotFoundError, ForgeUnavailableError
from raibid.forge.gitea import GiteaClient
from raibid.ledger import Ledger, NewJob
from raibid.model.job import JobSpec, JobStatus
from raibid.model.pull_request_event import PullRequestEvent
from raibid.worker.checkout import checkout
from raibid.worker.config import AgentConfig
from raibid.worker.stop import Stop

from components.agents import GIT_LABEL, GIT_USER
from components.api import STATUS_LABEL, STATUS_USER
from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.parts.developer import Checkout, Developer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.tree.emitted import SEED
from tests.http_server import HttpServer
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
ORGANISATION = SETTINGS.gitea.organisation
derive = deriver(SEED, SETTINGS.rotation)
DONE = CommitStatus(state=CommitState.SUCCESS, context="raibid", description="built in 7 s")


@dataclass
class Listener(HttpServer):
    """Whom the organisation's hook tells, in raibid-api's place."""

    pulls: list[PullRequestEvent] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Hook,), {"listener": self})

    @property
    def url(self) -> str:
        return f"{super().url}/webhook/gitea"

    def told(self, repository: str, sha: str) -> PullRequestEvent:
        """The event about that head."""
        [event] = until(
            lambda: [e for e in self.pulls if (e.repo, e.sha) == (repository, sha)], f"a pull request at {sha}"
        )
        return event


class _Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    listener: ClassVar[Listener]

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = gitea.parse({name.lower(): value for name, value in self.headers.items()}, body)
        if isinstance(event, PullRequestEvent):
            self.listener.pulls.append(event)
        self.send_response(204)
        self.end_headers()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Gitea]:
    with Gitea(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as server:
        server.set_up(listener.url)
        yield server


@pytest.fixture(scope="module")
def ada(server: Gitea) -> Developer:
    return server.developer("ada", owner=True)


Make = Callable[[str], Checkout]


@pytest.fixture(scope="module")
def make(ada: Developer) -> Make:
    """A new repository of the organisation, with a first commit on main."""

    def make(name: str) -> Checkout:
        made = ada.create(f"{ORGANISATION}/{name}")
        made.commit({"README.md": "# it\n"}, "The first one")
        made.push()
        return made

    return make


def credentials(server: Gitea, file: Path, user: str = STATUS_USER, label: str = STATUS_LABEL) -> Path:
    file.write_text(f"http://{user}:{derive(label)}@{server.address}\n")
    return file


@pytest.fixture
def reporter(server: Gitea, tmp_path: Path) -> Iterator[GiteaClient]:
    """The API's user, as the stack's set-up makes it."""
    with GiteaClient.connect(server.url, credentials(server, tmp_path / "reporter")) as client:
        yield client


def head(made: Checkout) -> str:
    return made.git("rev-parse", "HEAD")


def test_a_status_is_shown_as_it_was_said_and_the_last_one_counts(make: Make, reporter: GiteaClient) -> None:
    made = make("shown")
    pending = CommitStatus(state=CommitState.PENDING, context="raibid", description="running on ci-agent-x")
    for status in (pending, DONE):
        shown = reporter.set_status(made.repository, head(made), status)
        assert (shown.state, shown.context, shown.description) == (status.state, "raibid", status.description)
    assert [one.state for one in made.owner.statuses(made.repository, head(made))] == ["success"]


def test_what_can_never_be_shown_is_a_refusal(make: Make, reporter: GiteaClient, server: Gitea, tmp_path: Path) -> None:
    made = make("refused")
    for repository, sha in ((made.repository, "1" * 40), (f"{ORGANISATION}/nothing", head(made))):
        with pytest.raises(ForgeNotFoundError):
            reporter.set_status(repository, sha, DONE)
    reader = credentials(server, tmp_path / "agent", GIT_USER, GIT_LABEL)
    with GiteaClient.connect(server.url, reader) as agent, pytest.raises(ForgeForbiddenError):
        agent.set_status(made.repository, head(made), DONE)


def test_a_wrong_password_is_the_operators_to_mend(make: Make, server: Gitea, tmp_path: Path) -> None:
    made = make("locked")
    stale = credentials(server, tmp_path / "stale", label="another seed")
    with GiteaClient.connect(server.url, stale) as client, pytest.raises(ForgeLoginError):
        client.set_status(made.repository, head(made), DONE)


def test_a_status_of_a_job_that_ended_while_gitea_was_stopped_arrives_after_it_returned(
    make: Make, server: Gitea, ledger: Ledger, tmp_path: Path
) -> None:
    made = make("patient")
    sha = head(made)
    spec = JobSpec(
        repo=made.repository, clone_url=f"{server.url}/{made.repository}.git", ref="refs/heads/main", sha=sha,
        forge="gitea",
    )  # fmt: skip
    connect = partial(GiteaClient.connect, server.url, credentials(server, tmp_path / "reporter"), tries=0)
    telling = Telling(
        ledger, {"gitea": connect}, [Statuses("")], Metrics(ledger.depth), patience=lambda *_: Patience(0.01, 0.1)
    )
    server.stop()
    with connect() as client, pytest.raises(ForgeUnavailableError):
        client.set_status(made.repository, sha, DONE)
    ledger.enqueue([NewJob(spec=spec, dedupe=sha)])
    telling.round()
    claim = ledger.claim("ci-agent-x")
    assert claim is not None
    ledger.finish(claim.job.id, claim.token, JobStatus.FAILED)
    telling.round()
    assert ledger.untold() == [claim.job.id]
    server.start()
    until(lambda: telling.round() or not ledger.untold(), "Gitea is told")
    assert [(one.context, one.state) for one in made.owner.statuses(made.repository, sha)] == [("raibid", "failure")]


# --- pull requests -----------------------------------------------------------------------------------------


def agent(server: Gitea, place: Path) -> AgentConfig:
    return AgentConfig(
        name="agent",
        workspace=place / "work",
        environment=dict(os.environ),
        git_credentials_file=credentials(server, place / "credentials", GIT_USER, GIT_LABEL),
    )


def checked_out(server: Gitea, spec: JobSpec, place: Path) -> Path:
    """What an agent has on its disk for a job."""
    directory = place / f"checkout-{time.monotonic_ns()}" / "src"
    directory.mkdir(parents=True)
    with Stop() as stop:
        assert checkout(spec, directory, agent(server, place), stop) == spec.sha
    return directory


def build(event: PullRequestEvent) -> Build:
    verdict = decide(event, Enrolment.everything())
    assert isinstance(verdict, Build)
    return verdict


def test_a_pull_request_is_told_checked_out_at_each_of_its_heads_and_takes_a_status(
    make: Make, server: Gitea, listener: Listener, reporter: GiteaClient, tmp_path: Path
) -> None:
    made = make("offered")
    first = made.commit({"offer.txt": "first\n"}, "Offer it", branch="offer")
    made.push("offer")
    made.owner.pull_request(made.repository, "offer", "Take it")
    job = build(listener.told(made.repository, first))
    assert (job.hold, job.spec.ref, job.spec.message) == (False, "refs/pull/1/head", "Take it")
    second = made.commit({"offer.txt": "second\n"}, "Offer more", branch="offer")
    made.push("offer")
    later = build(listener.told(made.repository, second))
    for spec, text in ((job.spec, "first\n"), (later.spec, "second\n")):
        assert (checked_out(server, spec, tmp_path) / "offer.txt").read_text() == text
    reporter.set_status(made.repository, second, DONE)


def test_a_forks_pull_request_is_held_and_comes_from_the_base_repository(
    make: Make, server: Gitea, listener: Listener, reporter: GiteaClient, tmp_path: Path
) -> None:
    made = make("gated")
    stranger = server.developer("mallory")
    made.owner.api.call("PUT", f"/repos/{made.repository}/collaborators/mallory", {"permission": "read"})
    fork = stranger.fork(made.repository)
    sha = fork.commit({"gift.txt": "mine\n"}, "From outside", branch="gift")
    fork.push("gift")
    stranger.pull_request(made.repository, "mallory:gift", "A gift")
    job = build(listener.told(made.repository, sha))
    assert (job.hold, job.spec.fork, job.spec.repo) == (True, fork.repository, made.repository)
    assert (checked_out(server, job.spec, tmp_path) / "gift.txt").read_text() == "mine\n"
    reporter.set_status(made.repository, sha, DONE)
