"""Every call of ours on the real Gitea: the contract, recorded anew when RAIBID_RECORD_FORGE is set."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from raibid.forge.gitea import GiteaClient
from raibid.forge.gitea.admin import GiteaAdmin

from components.agents import GIT_LABEL, GIT_USER
from components.api import STATUS_LABEL, STATUS_USER
from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.parts.developer import Checkout, Developer
from tests.cluster.parts.git_http import GitServer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.parts.mirroring import Mirroring
from tests.cluster.tree.emitted import SEED
from tests.forge.gitea_contract import DONE, MARKER, ORGANISATION, Questions, Role, Scene
from tests.forge.gitea_mirrors_contract import Mirrors
from tests.forge.gitea_owners_contract import Owners
from tests.forge.recorded_forge import RECORD, Facts, Recorder, Served
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
derive = deriver(SEED, SETTINGS.rotation)
_ROLES: dict[Role, tuple[str, str]] = {
    "admin": (SETTINGS.gitea.admin, "gitea/admin"),
    "reporter": (STATUS_USER, STATUS_LABEL),
    "agent": (GIT_USER, GIT_LABEL),
}


@dataclass
class Real:
    """What people do to the real Gitea before a test asks it."""

    gitea: Gitea
    git: GitServer
    people: dict[str, Developer] = field(default_factory=dict)

    def person(self, name: str) -> Developer:
        """A user; ada owns the organisation."""
        if name not in self.people:
            self.people[name] = self.gitea.developer(name, owner=name == "ada")
        return self.people[name]

    def _checkout(self, name: str) -> Checkout:
        made = self.person("ada").create(f"{ORGANISATION}/{name}")
        made.commit({"README.md": "# it\n", "old.md": "the same text\nfor many lines\n" * 9}, "The first one")
        self._pushed(made)
        return made

    def _pushed(self, made: Checkout, *branches: str) -> None:
        made.push(*branches)
        path = f"/repos/{made.repository}"
        until(lambda: not made.owner.api.call("GET", path)["empty"], "Gitea has noticed the first push")

    def empty(self, name: str) -> Facts:
        """A repository without a commit."""
        return {"name": self.person("ada").create(f"{ORGANISATION}/{name}").repository}

    def repository(self, name: str) -> Facts:
        """A repository with a commit on main."""
        made = self._checkout(name)
        return {"name": made.repository, "sha": made.git("rev-parse", "HEAD")}

    def renamed(self, made: Facts, name: str) -> Facts:
        """The same under another name."""
        self.person("ada").api.call("PATCH", f"/repos/{made['name']}", {"name": name})
        return made

    def organisation(self, name: str, repositories: int) -> Facts:
        """An organisation of the administrator's, with empty repositories."""
        self.gitea.admin.call("POST", "/orgs", {"username": name, "visibility": "private"})
        for number in range(repositories):
            self.gitea.admin.call("POST", f"/orgs/{name}/repos", {"name": f"r{number}", "private": True})
        return {}

    def branches(self, name: str, branches: Sequence[str]) -> Facts:
        """A repository with branches; each with its commit."""
        made = self._checkout(name)
        facts = {"name": made.repository, "main": made.git("rev-parse", "main")}
        facts |= {branch: made.commit({branch: branch}, branch, branch=branch) for branch in branches}
        self._pushed(made, *branches)
        return facts

    def history(self, name: str) -> Facts:
        """Three commits on main, and another one after the first."""
        made = self._checkout(name)
        facts = {"name": made.repository, "first": made.git("rev-parse", "HEAD")}
        made.commit({"src/ä b.rs": "fn a() {}\n", "README.md": "# changed\n"}, "Second")
        made.git("mv", "README.md", "moved.md")
        facts["third"] = made.commit({}, "Third\n\n[skip ci]")
        made.git("checkout", "--quiet", "-b", "other", facts["first"])
        facts["other"] = made.commit({"other.md": "1\n"}, "Other", branch="other")
        self._pushed(made, "main", "other")
        return facts

    def pull_requests(self, name: str) -> Facts:
        """Three open pull requests, the second from a fork, and a closed one; a stranger's comment at the first."""
        made = self._checkout(name)
        facts = {"name": made.repository}
        made.git("checkout", "--quiet", "-b", "own")
        made.git("mv", "old.md", "renamed.md")
        made.git("mv", "README.md", "own-1")
        made.git("mv", "own-1", "README.md")
        facts["own"] = made.commit({"own/1": "1\n", "own/2": "2\n", "README.md": "# other\n"}, "Own", branch="own")
        for branch in ("third", "closed"):
            made.git("checkout", "--quiet", "-b", branch, "main")
            made.commit({branch: "1\n"}, branch, branch=branch)
        self._pushed(made, "own", "third", "closed")
        ada, mallory = made.owner, self.person("mallory")
        ada.api.call("PUT", f"/repos/{made.repository}/collaborators/mallory", {"permission": "read"})
        ada.pull_request(made.repository, "own", "Own")
        fork = mallory.fork(made.repository)
        facts["gift"] = fork.commit({"gift": "1\n"}, "Gift", branch="gift")
        fork.push("gift")
        mallory.pull_request(made.repository, "mallory:gift", "A gift")
        ada.pull_request(made.repository, "third", "Third")
        closed = ada.pull_request(made.repository, "closed", "Closed")
        ada.api.call("PATCH", f"/repos/{made.repository}/pulls/{closed}", {"state": "closed"})
        ada.api.call("POST", f"/repos/{made.repository}/issues/1/comments", {"body": f"{MARKER} quoted"})
        return facts

    def reviewed(self, name: str) -> Facts:
        """A pull request of ada's that grace approved at its head, and mallory at an earlier commit."""
        made = self._checkout(name)
        self.shared_with(made.repository, {"grace": "write", "mallory": "read"})
        made.git("checkout", "--quiet", "-b", "offer")
        facts = {"name": made.repository, "early": made.commit({"one": "1\n"}, "One", branch="offer")}
        self._pushed(made, "offer")
        made.owner.pull_request(made.repository, "offer", "Take it")
        self._approve("mallory", made.repository, facts["early"])
        facts["head"] = made.commit({"two": "2\n"}, "Two", branch="offer")
        made.push("offer")
        path = f"/repos/{made.repository}/pulls/1"
        until(lambda: made.owner.api.call("GET", path)["head"]["sha"] == facts["head"], "Gitea has noticed the push")
        self._approve("grace", made.repository, facts["head"])
        return facts

    def _approve(self, reviewer: str, repository: str, sha: str) -> None:
        review = {"event": "APPROVED", "body": "good", "commit_id": sha}
        self.person(reviewer).api.call("POST", f"/repos/{repository}/pulls/1/reviews", review)

    def comments(self, repository: str, number: int) -> Facts:
        """All comments: who wrote what."""
        there = self.person("ada").api.call("GET", f"/repos/{repository}/issues/{number}/comments")
        return {str(place): f"{one['user']['login']}: {one['body']}" for place, one in enumerate(there)}

    def source(self, name: str) -> Facts:
        """A repository elsewhere that everybody may clone."""
        self.git.repository(name, {"README.md": "it"})
        return {"url": f"{self.git.url}/{name}.git"}

    def shared(self, name: str, permissions: Mapping[str, str]) -> Facts:
        """A repository with collaborators."""
        facts = self.repository(name)
        self.shared_with(facts["name"], permissions)
        return facts

    def shared_with(self, repository: str, permissions: Mapping[str, str]) -> None:
        """Make them collaborators."""
        for user, permission in permissions.items():
            self.person(user)
            path = f"/repos/{repository}/collaborators/{user}"
            self.person("ada").api.call("PUT", path, {"permission": permission})


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with (
        GitServer(tmp_path_factory.mktemp("git"), "127.0.0.1") as git,
        Mirroring(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as gitea,
    ):
        gitea.set_up("http://127.0.0.1:9/nobody")
        yield Real(gitea, git)


@pytest.fixture
def scene(request: pytest.FixtureRequest, real: Real, tmp_path: Path) -> Iterator[Scene]:
    recorder, failed = Recorder(real.gitea.url, request.node.name), request.session.testsfailed
    with Served(recorder) as served, contextlib.ExitStack() as stack:

        def credentials(role: Role) -> Path:
            file = tmp_path / role
            name, label = _ROLES[role]
            file.write_text(f"{served.url.replace('://', f'://{name}:{derive(label)}@')}\n")
            return file

        yield Scene(recorder, real, credentials, served.url, stack)
    if os.environ.get(RECORD) and request.session.testsfailed == failed:
        recorder.recording.save()


class TestQuestions(Questions):
    """The real one."""


class TestOwners(Owners):
    """The real one."""


class TestMirrors(Mirrors):
    """The real one."""


SCOPES = ("write:repository", "write:issue", "read:user", "read:organization")
"""Of a token that does what docs/forges.md says of it."""


def test_a_token_of_the_documented_scopes_is_enough(real: Real, tmp_path: Path) -> None:
    made = real.pull_requests("scoped")
    with GiteaClient.connect(real.gitea.url, line_of(real, tmp_path / "password", derive(STATUS_LABEL))) as client:
        token = GiteaAdmin(client.session).create_token(STATUS_USER, "scoped", SCOPES)
    with GiteaClient.connect(real.gitea.url, line_of(real, tmp_path / "token", token)) as client:
        assert client.login == STATUS_USER
        assert made["name"] in {one.full_name for one in client.repositories(ORGANISATION)}
        assert made["name"] in {one.full_name for one in client.repositories()}
        assert client.heads(made["name"])
        assert len(client.pulls(made["name"])) == 3
        assert client.pull_changes(made["name"], 1, made["own"]).files
        assert client.changes(made["name"], "main", made["own"]).files
        assert client.approvers(made["name"], 1, made["own"]) == ()
        client.upsert_comment(made["name"], 1, MARKER, "green")
        assert client.set_status(made["name"], made["own"], DONE).state == "success"


def line_of(real: Real, file: Path, password: str) -> Path:
    """The credentials file of the API's user."""
    file.write_text(f"{real.gitea.url.replace('://', f'://{STATUS_USER}:{password}@')}\n")
    return file
