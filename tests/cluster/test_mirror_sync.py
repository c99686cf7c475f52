"""Mirrors of a real Gitea, kept: brought, bundled, verified, their token changed, their pushes built."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from raibid.forge.credentials import login_for
from raibid.forge.gitea.mirror_form import MirrorForm
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.ledger import Ledger
from raibid.local.redis_server import RedisServer
from raibid.mirror.config import MARK
from raibid.model.job_id import new_job_id

from components.secret_values import deriver
from components.settings import load_stack
from tests.api.conftest import Api, make_settings, served  # noqa: F401  (a fixture)
from tests.cluster.parts.developer import Developer
from tests.cluster.parts.git_http import git_handler
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.parts.mirroring import Mirroring
from tests.cluster.tree.emitted import SEED
from tests.mirror.command import Command
from tests.mirror.gitea_of_git import Upstream, sh
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
derive = deriver(SEED, SETTINGS.rotation)
NAME = "smithy/anvil"


class LockedUpstream(Upstream):
    """Sources that only a token opens."""

    token = "first-token"
    shut_after: int | None = None
    """So many visits of git later nobody is let in any more."""

    def lets_in(self, path: str) -> bool:
        """Whether somebody with the right token gets in."""
        if self.shut_after is None:
            return True
        if "/info/refs" in path:
            self.shut_after -= 1
        return self.shut_after >= 0

    def __enter__(self) -> LockedUpstream:
        self.server.root.mkdir(parents=True)
        handler = type("Bound", (_Lock, git_handler(self.server.root)), {"lock": self})
        self._locked = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.url = f"http://127.0.0.1:{self._locked.server_port}"  # type: ignore[misc]

        self._thread = threading.Thread(target=self._locked.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._locked.shutdown()
        self._locked.server_close()
        self._thread.join()


class _Lock(BaseHTTPRequestHandler):
    lock: LockedUpstream

    def _opens(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(given).decode().rpartition(":")[2] == self.lock.token and self.lock.lets_in(self.path):
            return True
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_GET(self) -> None:
        if self._opens():
            super().do_GET()  # type: ignore[misc]

    def do_POST(self) -> None:
        if self._opens():
            super().do_POST()  # type: ignore[misc]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with Mirroring(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as server:
        yield server


@pytest.fixture(scope="module")
def keeper(server: Gitea) -> Developer:
    return server.developer("raibid-mirror")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[LockedUpstream]:
    with LockedUpstream(tmp_path / "upstream") as upstream:
        upstream.push("anvil", "one")
        yield upstream


@pytest.fixture
def command(server: Gitea, keeper: Developer, upstream: LockedUpstream, tmp_path: Path) -> Iterator[Command]:
    login = keeper.api.login
    credentials = tmp_path / "credentials"
    credentials.write_text(f"http://{login.name}:{login.password.get_secret_value()}@{server.address}\n")
    command = Command(tmp_path, server.url, "http://127.0.0.1:1", credentials)
    host, port = upstream.host
    command.write(
        f"hosts: [{{name: {host}, port: {port}, http: true, private: true}}]\n"
        f"single: [{{source: {upstream.url('anvil')}, target: {NAME}, token: forge, interval: never}}]\n"
    )
    token_file(command).write_text(f"{upstream.token}\n")
    code, out, err = command.run("apply")
    assert code == 0, out + err
    yield command
    with GiteaMirrors.connect(server.url, credentials) as mirrors:
        mirrors.remove(NAME)


@pytest.fixture
def ledger(redis_server: RedisServer) -> Iterator[Ledger]:
    ledger = Ledger.connect(redis_server.url, stream=f"t-{new_job_id()}")
    ledger.setup()
    yield ledger
    ledger.close()


@pytest.fixture
def api(make_settings: Any, command: Command, ledger: Ledger, tmp_path: Path) -> Iterator[Api]:  # noqa: F811
    enrolment = tmp_path / "enrolment.yaml"
    enrolment.write_text(f"repositories: {{{NAME}: {{}}}}\n")
    settings = make_settings(
        gitea_url=command.gitea,
        forge_credentials_file=command.credentials,
        mirrors_file=tmp_path / "mirrors.yaml",
        mirror_tokens_dir=Path(command.environment["RAIBID_MIRROR_TOKENS_DIR"]),
        enrolment_file=enrolment,
        reconcile_seconds=3600,
    )
    with served(settings, ledger) as api:
        until(lambda: seen(api)["state"] == "verified" and api.parts.reconciler.report().round, "both were looked at")
        yield api


def seen(api: Api) -> dict[str, Any]:
    shown = api.reader.get("/mirrors").raise_for_status().json()["mirrors"]
    return shown[0] if shown else {"state": "unknown"}


def token_file(command: Command) -> Path:
    return Path(command.environment["RAIBID_MIRROR_TOKENS_DIR"]) / "forge"


def jobs(api: Api) -> list[tuple[str, str]]:
    found = api.reader.get("/jobs").raise_for_status().json()["jobs"]
    return [(job["spec"]["sha"], job["spec"]["found_by"]) for job in found]


def test_a_wish_brings_the_push_verifies_it_and_has_it_built(api: Api, upstream: LockedUpstream) -> None:
    sha = upstream.push("anvil", "two")
    assert api.writer.post(f"/mirrors/{NAME}/sync").status_code == 202
    until(lambda: jobs(api) == [(sha, "reconciler")], "the mirrored push is queued", 60)
    assert seen(api)["state"] == "verified"
    assert 0 < seen(api)["seconds"] < 30


def test_a_tag_comes_and_moves_and_goes(api: Api, upstream: LockedUpstream, command: Command) -> None:
    bare = upstream.server.root / "anvil.git"
    aside = sh("commit-tree", "-m", "on no branch", "main^{tree}", at=bare)
    for made in (("v1", "main"), ("--force", "v1", aside), ("--delete", "v1")):
        sh("tag", *made, at=bare)
        assert command.run("verify")[1] == f"{NAME}: behind: 1 of {1 + (made[0] != '--delete')} refs differ: tags/v1\n"
        api.writer.post(f"/mirrors/{NAME}/sync")
        until(lambda: command.run("verify")[0] == 0, "Gitea has it", 60)
    until(lambda: seen(api)["bundle"], "the commit that only the tag had is kept")


def test_a_forced_push_is_kept_as_a_bundle_before_gitea_forgets_it(
    api: Api, upstream: LockedUpstream, tmp_path: Path
) -> None:
    lost = sh("rev-parse", "main", at=upstream.server.root / "anvil.git")
    new = upstream.rewrite("anvil")
    api.writer.post(f"/mirrors/{NAME}/sync")
    until(lambda: [sha for sha, _ in jobs(api)] == [new], "the mirrored push is queued", 60)
    bundle = tmp_path / "store" / seen(api)["bundle"]
    sh("clone", "--quiet", str(bundle), "back", at=tmp_path)
    assert sh("rev-parse", "main", at=tmp_path / "back") == lost


def test_a_rotated_token_keeps_the_mirror_alive(command: Command, upstream: LockedUpstream) -> None:
    upstream.token = "second-token"
    upstream.push("anvil", "two")
    assert command.run("verify")[0] == 1
    token_file(command).write_text("second-token\n")
    assert command.run("rotate-token", "forge") == (0, f"{NAME}: changed; Gitea fetched with it\n", "")
    assert command.run("verify") == (0, f"{NAME}: verified, 1 branches\n", "")
    # Now with nothing to bring: that Gitea fetched is seen all the same.
    upstream.token = "third-token"
    token_file(command).write_text("third-token\n")
    assert command.run("rotate-token", "forge") == (0, f"{NAME}: changed; Gitea fetched with it\n", "")


def test_a_wrong_new_token_is_found_out_and_gitea_keeps_the_old_one(command: Command, upstream: LockedUpstream) -> None:
    token_file(command).write_text("mistyped\n")
    code, out, err = command.run("rotate-token", "forge")
    assert (code, err) == (1, "")
    assert out.startswith(f"{NAME}: not changed: ")
    token_file(command).write_text(f"{upstream.token}\n")
    upstream.push("anvil", "two")
    with GiteaMirrors.connect(command.gitea, command.credentials) as gitea:
        gitea.sync(NAME)
    until(lambda: command.run("verify")[0] == 0, "Gitea fetched with the old one", 60)


def test_a_token_that_only_gitea_is_refused_with_is_found_out_though_both_sides_are_equal(
    command: Command, upstream: LockedUpstream
) -> None:
    """Our own look takes the token's file, whatever Gitea keeps."""
    upstream.shut_after = 1  # the comparison's one question
    code, out, _ = command.run("rotate-token", "forge", "--wait", "6")
    upstream.shut_after = None
    assert (code, out) == (1, f"{NAME}: changed; Gitea tried to fetch with it and failed; its log says why\n")
    assert command.run("rotate-token", "forge")[0] == 0


def test_a_rotated_token_changes_nothing_else_of_a_mirror(
    server: Gitea, command: Command, upstream: LockedUpstream
) -> None:
    with (
        GiteaMirrors.connect(server.url, command.credentials) as gitea,
        MirrorForm(server.url, login_for(server.url, command.credentials)) as form,
    ):
        gitea.remove(NAME)
        upstream.push("anvil", "two")
        command.write(command.read().replace("token: forge", "token: forge, lfs: true"))
        assert command.run("apply")[0] == 0
        before = form.settings(gitea.get(NAME))
        assert before["mirror_lfs"] == "on"
        assert command.run("rotate-token", "forge")[0] == 0
        assert form.settings(gitea.get(NAME)) == before
        assert MARK in gitea.get(NAME).topics


def test_rotating_with_a_token_that_gitea_cannot_log_in_for_says_so(command: Command) -> None:
    before = command.credentials.read_text()
    command.credentials.write_text(before.replace("raibid-mirror:", "raibid-mirror:not-"))
    code, out, err = command.run("rotate-token", "forge")
    command.credentials.write_text(before)
    assert (code, out) == (6, "")
    assert "not-" not in err
