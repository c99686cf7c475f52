"""What a pull request's build found, as one comment of a real Gitea: late if it must be, never twice or outdated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from raibid.api.comments import MARKER
from raibid.api.settings import Settings
from raibid.forge import Build, Enrolment, decide
from raibid.forge.gitea import GiteaClient
from raibid.ledger import Ledger, NewJob
from raibid.model.job import JobStatus, Report
from raibid.model.report import Annotation

from components.api import STATUS_LABEL, STATUS_USER
from components.secret_values import deriver
from components.settings import load_stack
from tests.api.conftest import make_settings as make_settings  # the fixture
from tests.api.conftest import served
from tests.cluster.parts.developer import Checkout
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.tree.emitted import SEED
from tests.waiting import until

STACK = load_stack("dgx-spark")
REPOSITORY = f"{STACK.gitea.organisation}/commented"
NOBODY = "http://127.0.0.1:9/webhook/gitea"
"""Where Gitea's hook leads: these tests bring the jobs themselves."""
derive = deriver(SEED, STACK.rotation)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with Gitea(tmp_path_factory.mktemp("gitea"), STACK, derive) as server:
        server.set_up(NOBODY)
        yield server


@pytest.fixture
def credentials(server: Gitea, tmp_path: Path) -> Path:
    """The API's user, as the stack's set-up makes it."""
    file = tmp_path / "forge-credentials"
    file.write_text(f"http://{STATUS_USER}:{derive(STATUS_LABEL)}@{server.address}\n")
    return file


@pytest.fixture
def offered(server: Gitea) -> Checkout:
    """A repository with a pull request from its branch `offer`."""
    ada = server.developer("ada", owner=True)
    made = ada.create(REPOSITORY)
    made.commit({"README.md": "# it\n"}, "The first one")
    made.push()
    made.commit({"offer.txt": "first\n"}, "Offer it", branch="offer")
    made.push("offer")
    ada.pull_request(made.repository, "offer", "Take it")
    return made


def comments(made: Checkout) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = made.owner.api.call("GET", f"/repos/{made.repository}/issues/1/comments")
    return said


def state(made: Checkout, sha: str) -> str:
    return ", ".join(s.state for s in made.owner.statuses(made.repository, sha) if s.context == "raibid/pr")


def brought(ledger: Ledger, server: Gitea, credentials: Path, sha: str) -> None:
    """The pull request as Gitea tells it once it has this head, as a job."""
    with GiteaClient.connect(server.url, credentials) as client:
        [pull] = until(lambda: [pull for pull in client.pulls(REPOSITORY) if pull.sha == sha])
    verdict = decide(pull, Enrolment.everything())
    assert isinstance(verdict, Build)
    ledger.enqueue([NewJob(spec=verdict.spec, dedupe=verdict.dedupe)])


def ends(ledger: Ledger, outcome: JobStatus, words: str = "") -> None:
    claim = ledger.claim("ci-agent-x")
    assert claim is not None
    remark = Annotation(file="src/main.rs", line=3, level="warning", message=words)
    ledger.finish(claim.job.id, claim.token, outcome, Report(annotations=(remark,) if words else ()))


def late_comment(server: Gitea, credentials: Path) -> None:
    """One that a call left behind whose answer nobody heard."""
    with GiteaClient.connect(server.url, credentials) as client:
        client.session.do("POST", f"/repos/{REPOSITORY}/issues/1/comments", {"body": f"{MARKER}\nlate"})


def test_a_comment_comes_after_gitea_was_stopped_and_is_rewritten_by_the_next_build(
    server: Gitea,
    offered: Checkout,
    credentials: Path,
    ledger: Ledger,
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings(gitea_url=server.url, forge_credentials_file=credentials, status_seconds=0.05)
    with served(settings, ledger):
        sha = offered.git("rev-parse", "HEAD")
        brought(ledger, server, credentials, sha)
        until(lambda: state(offered, sha) == "pending")
        server.stop()
        ends(ledger, JobStatus.FAILED, "unused variable <b>`x`</b> @ada")
        assert ledger.untold()
        server.start()
        until(lambda: not ledger.untold(), "Gitea is told")
        [comment] = comments(offered)
        assert "unused variable" in comment["body"]
        assert comment["body"].startswith(MARKER)
        assert (comment["user"]["login"], state(offered, sha)) == (STATUS_USER, "failure")

        late_comment(server, credentials)
        mended = offered.commit({"offer.txt": "second\n"}, "Mend it", branch="offer")
        offered.push("offer")
        brought(ledger, server, credentials, mended)
        ends(ledger, JobStatus.SUCCESS)
        until(lambda: not ledger.untold(), "Gitea is told")
        [comment] = comments(offered)
        assert "unused variable" not in comment["body"]
        assert mended[:10] in comment["body"]
        assert state(offered, mended) == "success"
