"""`ci-rollback` in a real Gitea, with the rights that the stack gives it: to take back and to tell, and no more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.forge.commit_status import CommitState, CommitStatus
from raibid.forge.gitea.client import GiteaClient
from raibid.forge.gitea.issues import gitea_issues
from raibid.forge.gitea.pulls import GiteaPulls
from raibid.git.cli import Git
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.errors import PushRefusedError

from components import rollback
from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.parts.developer import Developer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.tree.emitted import SEED
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
FLEET = f"{SETTINGS.gitea.organisation}/{SETTINGS.fleet.name}"
MARKER = "<!-- raibid-rollback Kustomization flux-system/apps 0123 -->"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    derive = deriver(SEED, SETTINGS.rotation)
    with Gitea(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as server:
        server.set_up("http://127.0.0.1:1/webhook/gitea")
        owner = server.as_user(SETTINGS.gitea.admin, "gitea/admin")
        checkout = owner.checkout(FLEET)
        checkout.commit({"README.md": "one\n"}, "first")
        checkout.push()
        # Gitea notes a first push a moment after git is done; until then it answers 500 about the branch.
        until(lambda: not owner.api.call("GET", f"/repos/{FLEET}")["empty"], "the first push is noted")
        owner.create(f"{SETTINGS.gitea.organisation}/other")
        yield server


@pytest.fixture(scope="module")
def user(server: Gitea) -> Developer:
    return server.as_user(rollback.USER_NAME, rollback.LABEL)


@pytest.fixture
def credentials(user: Developer, tmp_path: Path) -> Path:
    """As the pod has them."""
    login = user.api.login
    address = user.api.url.replace("://", f"://{login.name}:{login.password.get_secret_value()}@")
    file = tmp_path / "credentials"
    file.write_text(f"{address}\n")
    return file


@pytest.fixture
def fleet(user: Developer, credentials: Path, tmp_path: Path) -> Checkout:
    author = {"user.name": rollback.USER_NAME, "user.email": f"{rollback.USER_NAME}@{SETTINGS.domain}"}
    git = Git(settings=author, credentials=credentials, stop=threading.Event())
    return Checkout.open(f"{user.api.url}/{FLEET}.git", "main", tmp_path / "fleet", git)


@pytest.fixture
def client(user: Developer, credentials: Path) -> Iterator[GiteaClient]:
    with GiteaClient.connect(user.api.url, credentials) as client:
        yield client


def test_it_pushes_to_the_protected_branch_and_gitea_says_so_beforehand(fleet: Checkout, client: GiteaClient) -> None:
    assert GiteaPulls(client.session).takes_push(FLEET, "main")
    fleet.write({"README.md": b"two\n"})
    pushed = fleet.commit("Roll back")
    fleet.push()
    assert [head.sha for head in client.heads(FLEET) if head.branch == "main"] == [pushed]


def test_it_never_rewrites_the_branch(fleet: Checkout) -> None:
    before = fleet.head
    fleet.git("commit", "--quiet", "--amend", "--no-edit", "--allow-empty", "--message=another")
    with pytest.raises(PushRefusedError):
        fleet.push("main", instead_of=before)


def test_it_opens_one_issue_and_finds_it_again(client: GiteaClient) -> None:
    issues = gitea_issues(client)
    first = issues.write(FLEET, MARKER, "Rolled back", "one")
    assert issues.write(FLEET, MARKER, "Rolled back", "two").number == first.number
    found = issues.find(FLEET, MARKER)
    assert found is not None
    assert found.text == f"{MARKER}\ntwo"
    issues.write(FLEET, MARKER, "Rolled back", "two", closed=True)
    again = issues.find(FLEET, MARKER)
    assert again is not None
    assert not again.open


def test_it_sets_the_commits_status(fleet: Checkout, client: GiteaClient) -> None:
    status = CommitStatus(state=CommitState.FAILURE, context="raibid-rollback/kustomization/a/b", description="no")
    assert client.set_status(FLEET, fleet.head, status)


def test_it_sees_no_other_repository(client: GiteaClient) -> None:
    assert [found.full_name for found in client.repositories()] == [FLEET]
