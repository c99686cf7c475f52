"""Mirrors in a real Gitea with the users that the stack has: each may do its part, and nobody sees more than that."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from raibid.forge.errors import ForgeInvalidError
from raibid.forge.gitea.mirrors import GiteaMirrors, Migration
from raibid.mirror.config import MARK

from components import agents, api, gitea_bootstrap
from components import mirrors as stack_mirrors
from components.gitea_api import GiteaError
from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.parts.developer import Developer, GitError
from tests.cluster.parts.git_http import GitServer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.parts.mirroring import Mirroring
from tests.cluster.tree.emitted import SEED
from tests.http_server import HttpServer
from tests.mirror.command import Command
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
FLEET = f"/repos/{SETTINGS.gitea.organisation}/{SETTINGS.fleet.name}"
(OWNER,) = SETTINGS.gitea.mirrors
NAME = f"{OWNER}/anvil"
HOME = f"/repos/{NAME}"
derive = deriver(SEED, SETTINGS.rotation)


class Builds(HttpServer):
    """Where the hooks of builds lead: which commits are told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Hook,), {"builds": self})

    @property
    def url(self) -> str:
        return f"{super().url}/webhook/gitea"


class _Hook(BaseHTTPRequestHandler):
    builds: Builds

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.builds.told.append(event["after"])
        self.send_response(204)
        self.end_headers()


class _Elsewhere(BaseHTTPRequestHandler):
    to: str

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.to}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("git"), "127.0.0.1") as git:
        yield git


@pytest.fixture(scope="module")
def builds() -> Iterator[Builds]:
    with Builds() as builds:
        yield builds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, builds: Builds) -> Iterator[Gitea]:
    with Mirroring(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as server:
        server.set_up(builds.url)
        yield server


def credentials(user: Developer, file: Path) -> Path:
    """As the pods have them: a line with the user and its password."""
    login = user.api.login
    address = user.api.url.replace("://", f"://{login.name}:{login.password.get_secret_value()}@")
    file.write_text(f"{address}\n")
    return file


@pytest.fixture(scope="module")
def maker(server: Gitea) -> Developer:
    return server.as_user(stack_mirrors.USER_NAME, stack_mirrors.LABEL)


@pytest.fixture(scope="module")
def reporter(server: Gitea) -> Developer:
    return server.as_user(api.STATUS_USER, api.STATUS_LABEL)


@pytest.fixture(scope="module")
def agent(server: Gitea) -> Developer:
    return server.as_user(agents.GIT_USER, agents.GIT_LABEL)


@pytest.fixture(scope="module")
def flux(server: Gitea) -> Developer:
    return server.as_user(gitea_bootstrap.FLUX_USER, gitea_bootstrap.FLUX_LABEL)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, server: Gitea, git: GitServer, maker: Developer) -> Command:
    """What the CronJob does, as its user: `raibid mirror apply`."""
    git.repository("anvil", {"README.md": "one"})
    at = tmp_path_factory.mktemp("mirror")
    command = Command(at, server.url, "http://127.0.0.1:1", credentials(maker, at / "credentials"))
    host, port = git.url.removeprefix("http://").split(":")
    command.write(
        f"hosts: [{{name: {host}, port: {port}, http: true, private: true}}]\n"
        f"single: [{{source: '{git.url}/anvil.git', target: {NAME}, interval: never}}]\n"
    )
    code, out, err = command.run("apply")
    assert code == 0, out + err
    return command


def keeper(reporter: Developer, directory: Path) -> GiteaMirrors:
    return GiteaMirrors.connect(reporter.api.url, credentials(reporter, directory / "credentials"))


@pytest.mark.usefixtures("mirrored")
def test_the_api_finds_the_mirrors_though_they_are_private(reporter: Developer, tmp_path: Path) -> None:
    with keeper(reporter, tmp_path) as gitea:
        assert [(held.full_name, held.private) for held in gitea.with_topic(MARK)] == [(NAME, True)]


@pytest.mark.usefixtures("mirrored")
def test_the_api_has_a_mirror_synced_and_is_told_of_what_came_and_reports_on_it(
    server: Gitea, git: GitServer, builds: Builds, reporter: Developer, tmp_path: Path
) -> None:
    sha = git.repository("anvil", {"README.md": "two"})
    with keeper(reporter, tmp_path) as gitea:
        gitea.sync(NAME)
    until(lambda: sha in builds.told, "the mirrored push is told", 60)
    status = {"state": "success", "context": "raibid", "description": "well"}
    assert reporter.api.call("POST", f"{HOME}/statuses/{sha}", status)["status"] == "success"


@pytest.mark.usefixtures("mirrored")
def test_an_agent_clones_a_mirror(agent: Developer) -> None:
    assert (agent.checkout(NAME).directory / "README.md").exists()


@pytest.mark.usefixtures("mirrored")
def test_a_second_set_up_changes_nothing_beside_mirrors(server: Gitea, builds: Builds) -> None:
    assert server.set_up(builds.url) == []


def test_who_makes_mirrors_makes_none_beside_the_fleet_and_sees_nothing_there(maker: Developer, git: GitServer) -> None:
    body = {"clone_addr": f"{git.url}/anvil.git", "repo_owner": SETTINGS.gitea.organisation, "repo_name": "x"}
    with pytest.raises(GiteaError, match="HTTP 403"):
        maker.api.call("POST", "/repos/migrate", {**body, "mirror": True, "service": "git"})
    assert maker.api.call("GET", FLEET, none=True) is None


@pytest.mark.usefixtures("mirrored")
def test_nobody_sees_other_peoples_repositories_for_having_mirrors(
    server: Gitea, maker: Developer, reporter: Developer, agent: Developer, flux: Developer
) -> None:
    server.developer("somebody").api.call("POST", "/user/repos", {"name": "mine", "private": True})
    for user in (maker, reporter, agent, flux):
        assert user.api.call("GET", "/repos/somebody/mine", none=True) is None, user.name
    assert flux.api.call("GET", HOME, none=True) is None


@pytest.mark.usefixtures("mirrored")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", HOME, {"private": False}),
        ("DELETE", HOME, None),
        ("GET", f"{HOME}/hooks", None),
        ("POST", f"{HOME}/contents/b.txt", {"content": "eA==", "message": "x", "branch": "main"}),
        ("POST", f"/orgs/{OWNER}/repos", {"name": "more"}),
        ("GET", f"/orgs/{OWNER}/hooks", None),
    ],
    ids=["publish", "delete", "hooks", "write", "create", "hooks-of-all"],
)
def test_neither_the_api_nor_an_agent_changes_a_mirror_or_its_organisation(
    reporter: Developer, agent: Developer, method: str, path: str, body: dict[str, object] | None
) -> None:
    for user in (reporter, agent):
        with pytest.raises(GiteaError, match=re.compile("HTTP 4")):
            user.api.call(method, path, body)


@pytest.mark.usefixtures("mirrored")
def test_an_agent_neither_pushes_to_a_mirror_nor_has_it_synced(agent: Developer) -> None:
    with pytest.raises(GiteaError, match="HTTP 403"):
        agent.api.call("POST", f"{HOME}/mirror-sync")
    checkout = agent.checkout(NAME)
    checkout.commit({"README.md": "mine"}, "mine")
    with pytest.raises(GitError):
        checkout.push()


def test_gitea_follows_no_source_that_leads_elsewhere(maker: Developer, git: GitServer, tmp_path: Path) -> None:
    git.repository("tongs", {"README.md": "it"})
    handler = type("Bound", (_Elsewhere,), {"to": git.url})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as elsewhere:
        thread = threading.Thread(target=elsewhere.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        migration = Migration(
            clone_addr=f"http://127.0.0.1:{elsewhere.server_port}/tongs.git",
            repo_owner=OWNER, repo_name="tongs", private=True, mirror_interval="0s",
        )  # fmt: skip
        gitea = GiteaMirrors.connect(maker.api.url, credentials(maker, tmp_path / "credentials"))
        with gitea, pytest.raises(ForgeInvalidError):
            gitea.migrate(migration)
        elsewhere.shutdown()
        thread.join()
    maker.api.call("DELETE", f"/repos/{OWNER}/tongs")
