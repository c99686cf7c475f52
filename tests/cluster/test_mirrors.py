"""Mirrors as code on a real Gitea that clones from a real git server: each action, and what a killed run leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from raibid.forge.errors import ForgeConflictError, ForgeInvalidError, ForgeNotFoundError
from raibid.forge.gitea.mirrors import GiteaMirrors, Migration
from raibid.mirror.apply import Applier
from raibid.mirror.config import ARCHIVED_MARK, MARK
from raibid.mirror.desired import desire
from raibid.mirror.lint import load
from raibid.mirror.plan import plan as decide
from raibid.mirror.survey import actual
from raibid.mirror.tokens import Tokens

from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.parts.developer import Developer
from tests.cluster.parts.git_http import GitServer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.parts.mirroring import Mirroring
from tests.cluster.tree.emitted import SEED
from tests.forge.github_fake import FakeGithub
from tests.http_server import HttpServer
from tests.mirror.command import Command
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
derive = deriver(SEED, SETTINGS.rotation)


class Following(Mirroring):
    """It lets `Gate` send it on, which the stack's does not."""

    def _differences(self, emitted: Mapping[str, str]) -> dict[str, str]:
        return {**super()._differences(emitted), "GITEA__git_0X2E_config__http_0X2E_followRedirects": "initial"}


@dataclass
class Gate(HttpServer):
    """A git server that lets nobody in before it is opened; then it sends them on."""

    to: str
    opened: threading.Event = field(default_factory=threading.Event)
    came: threading.Event = field(default_factory=threading.Event)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Waiting,), {"gate": self})

    def stop(self) -> None:
        self.opened.set()
        super().stop()


class _Waiting(BaseHTTPRequestHandler):
    gate: ClassVar[Gate]

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.gate.came.set()
        self.gate.opened.wait(60)
        self.send_response(307)
        self.send_header("Location", f"{self.gate.to}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("git"), "127.0.0.1") as git:
        yield git


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with Following(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as server:
        yield server


@pytest.fixture(scope="module")
def keeper(server: Gitea) -> Developer:
    """Whoever keeps the mirrors: a user without any right but its own."""
    return server.developer("raibid-mirror")


@pytest.fixture(scope="module")
def token(keeper: Developer) -> str:
    """Its token, with the scopes of docs/mirrors.md."""
    scopes = ["write:organization", "write:repository", "read:user"]
    made = keeper.api.call("POST", f"/users/{keeper.name}/tokens", {"name": "mirrors", "scopes": scopes})
    return str(made["sha1"])


@pytest.fixture
def github(git: GitServer) -> Iterator[FakeGithub]:
    with FakeGithub() as github:
        github.clone_base = git.url
        yield github


@pytest.fixture
def command(server: Gitea, keeper: Developer, token: str, github: FakeGithub, tmp_path: Path) -> Command:
    file = github.credentials(tmp_path / "credentials")
    file.write_text(f"{file.read_text()}http://{keeper.name}:{token}@{server.address}\n")
    return Command(tmp_path, server.url, github.url, file)


@pytest.fixture
def mirrors(command: Command) -> Iterator[GiteaMirrors]:
    with GiteaMirrors.connect(command.gitea, command.credentials) as mirrors:
        yield mirrors


def hosts(git: GitServer, *ports: int) -> str:
    every = [int(git.url.rpartition(":")[2]), *ports]
    return "".join(f"  - {{name: 127.0.0.1, port: {port}, http: true, private: true}}\n" for port in every)


def published(github: FakeGithub, git: GitServer, *names: str) -> None:
    """Repositories at GitHub that can really be cloned."""
    for name in names:
        git.repository(name, {"README.md": name})
        github.repository(name, description=f' {name}: <b>für</b> & "alle" 🔨 ').commit({"README.md": name})


def test_an_organisation_is_made_adopted_changed_archived_and_left_alone(
    command: Command, mirrors: GiteaMirrors, github: FakeGithub, git: GitServer, keeper: Developer
) -> None:
    published(github, git, "forge/anvil", "forge/hammer", "forge/tongs", "forge/fire")
    keeper.api.call("POST", "/orgs", {"username": "smithy"})
    mirrors.migrate(  # made by hand, earlier
        Migration(
            clone_addr=f"{git.url}/forge/hammer", repo_owner="smithy", repo_name="hammer", private=False,
            mirror_interval="24h",
        )
    )  # fmt: skip
    keeper.api.call("POST", "/orgs/smithy/repos", {"name": "fire"})  # somebody's own
    command.write(f"hosts:\n{hosts(git)}org:\n  - {{github: forge, target: smithy, interval: 8h, looks: gitea}}\n")

    code, out, err = command.run("apply")
    assert (code, err) == (1, ""), out  # the conflict
    assert "! conflict smithy/fire" in out
    made = mirrors.get("smithy/anvil")
    assert (made.mirror_interval, made.description) == ("8h0m0s", 'forge/anvil: <b>für</b> & "alle" 🔨')
    adopted = mirrors.get("smithy/hammer")
    assert (adopted.topics, adopted.mirror_interval, adopted.private) == ((MARK,), "8h0m0s", True)
    assert not mirrors.get("smithy/fire").mirror
    assert "no changes" in command.run("plan")[1]

    github.drop("forge/tongs")
    command.write(
        f"hosts:\n{hosts(git)}org:\n  - {{github: forge, target: smithy, exclude: [hammer, fire], interval: never}}\n"
    )
    plan = command.plan()
    assert [(a["kind"], a["target"]) for a in plan["actions"]] == [
        ("update", "smithy/anvil"),
        ("archive", "smithy/hammer"),
        ("archive", "smithy/tongs"),
    ]
    assert command.run("apply")[0] == 0
    archived = mirrors.get("smithy/archived-tongs")
    assert (archived.mirror, archived.mirror_interval, set(archived.topics)) == (True, "0s", {MARK, ARCHIVED_MARK})
    with pytest.raises(ForgeNotFoundError):
        mirrors.get("smithy/tongs")
    assert mirrors.get("smithy/anvil").mirror_interval == "0s"
    assert not command.plan()["changes"]

    github.repository("forge/tongs").commit({"README.md": "again"})
    assert command.run("apply")[0] == 0
    back = mirrors.get("smithy/tongs")
    assert (back.id, back.topics) == (archived.id, (MARK,))

    assert command.run("apply", "--prune", "smithy/archived-hammer")[0] == 0
    with pytest.raises(ForgeNotFoundError):
        mirrors.get("smithy/archived-hammer")
    code, _, err = command.run("apply", "--prune", "smithy/fire")
    assert (code, "no mirror of ours" in err) == (2, True)


def test_an_apply_killed_over_a_clone_is_resumed_without_a_second_repository(
    command: Command, mirrors: GiteaMirrors, git: GitServer
) -> None:
    for name in ("one", "two"):
        git.repository(name, {"README.md": name})
    with Gate(git.url) as gate:
        command.write(
            f"hosts:\n{hosts(git, gate.port)}single:\n"
            f"  - {{source: 'http://127.0.0.1:{gate.port}/one.git', target: kept/one}}\n"
            f"  - {{source: '{git.url}/two.git', target: kept/two}}\n"
        )
        process = command.start("apply")
        assert gate.came.wait(60)
        process.kill()
        process.communicate(timeout=60)
        assert mirrors.get("kept/one").shell
        again = command.start("apply", "--json")
        gate.opened.set()
        out, err = again.communicate(timeout=120)
    assert again.returncode == 0, f"{out}\n{err}"
    held = mirrors.repositories("kept")
    assert held is not None
    assert sorted((one.full_name, one.topics, one.shell) for one in held) == [
        ("kept/one", (MARK,), False),
        ("kept/two", (MARK,), False),
    ]
    assert not command.plan()["changes"]


def test_gitea_dying_over_a_clone_leaves_a_shell_that_a_later_run_replaces(
    command: Command, mirrors: GiteaMirrors, git: GitServer, server: Gitea
) -> None:
    sha = git.repository("buried", {"README.md": "it"})
    with Gate(git.url) as gate:
        command.write(
            f"hosts:\n{hosts(git, gate.port)}single:\n"
            f"  - {{source: 'http://127.0.0.1:{gate.port}/buried.git', target: graves/buried}}\n"
        )
        process = command.start("apply")
        assert gate.came.wait(60)
        server.kill()
        process.communicate(timeout=120)
        assert process.returncode == 1
        gate.opened.set()
        server.start()
        shell = mirrors.get("graves/buried")
        assert (shell.shell, shell.empty) == (True, True)
        code, out, _ = command.run("apply", "--wait", "0")
        assert (code, "still cloning" in out) == (1, True), "nobody can tell yet"
        file = load(command.directory / "mirrors.yaml")
        desired = desire(file, {})
        applier = Applier(
            gitea=mirrors,
            tokens=Tokens(),
            guard=file.guard(),
            tell=lambda _: None,
            clone_lasts=0.0,  # an hour later
        )
        assert not applier.apply(decide(desired, actual(desired, mirrors))).failed
    assert not mirrors.get("graves/buried").shell
    assert sha in until(lambda: _heads(server, "graves/buried"), "the clone is there")


def test_what_a_failed_creation_leaves_is_known(mirrors: GiteaMirrors, git: GitServer) -> None:
    mirrors.make_owner("ruins")
    migration = Migration(
        clone_addr=f"{git.url}/nothing.git", repo_owner="ruins", repo_name="it", private=True, mirror_interval="8h"
    )
    with pytest.raises(ForgeInvalidError):
        mirrors.migrate(migration)
    left = mirrors.get("ruins/it")
    assert (left.shell, left.empty, mirrors.has_git("ruins/it")) == (True, True, False)
    with pytest.raises(ForgeConflictError):
        mirrors.migrate(migration)


def test_a_source_that_cannot_be_cloned_fails_alone_and_leaves_nothing(
    command: Command, mirrors: GiteaMirrors, git: GitServer
) -> None:
    git.repository("there", {"README.md": "it"})
    command.write(
        f"hosts:\n{hosts(git)}single:\n"
        f"  - {{source: '{git.url}/missing.git', target: partly/missing}}\n"
        f"  - {{source: '{git.url}/there.git', target: partly/there}}\n"
    )
    code, out, _ = command.run("apply")
    assert (code, "failed  create partly/missing" in out) == (1, True)
    assert [one.full_name for one in mirrors.repositories("partly") or ()] == ["partly/there"]


def _heads(server: Gitea, repository: str) -> str:
    branches = server.admin.call("GET", f"/repos/{repository}/branches")
    return " ".join(branch["commit"]["id"] for branch in branches)
