"""The token of commit statuses: issued over real HTTP, one at a time, to a user that can do no more."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from components.commands.commit_status import commit_status
from components.commit_status import LABELS, Order, issue, order
from components.gitea_api import GiteaError
from components.orders import OrderError
from components.settings import load_stack

SETTINGS = load_stack("dgx-spark")


class Gitea(BaseHTTPRequestHandler):
    """Users, collaborators and tokens, as Gitea 1.27 answers for them."""

    users: ClassVar[dict[str, str]]
    tokens: ClassVar[dict[str, dict[str, Any]]]
    calls: ClassVar[list[tuple[str, str, Any]]]

    def answer(self, status: int, body: object = None) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        who, _, password = (
            base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
        )
        path = self.path.removeprefix("/api/v1")
        self.calls.append((self.command, path, body))
        if self.users.get(who) != password:
            return self.answer(401, {"message": "user does not exist"})
        if path == "/user":
            return self.answer(200, {"login": who, "is_admin": who == "raibid-admin"})
        if path == "/admin/users":
            self.users[body["username"]] = body["password"]
            return self.answer(201, {"login": body["username"]})
        if self.command == "PATCH":
            self.users[path.rpartition("/")[2]] = body["password"]
            return self.answer(200, {})
        if "/collaborators/" in path:
            return self.answer(204)
        if path.endswith("/tokens"):
            self.tokens[body["name"]] = {**body, "sha1": f"{len(self.calls):040x}", "of": who}
            return self.answer(201, self.tokens[body["name"]])
        if "/tokens/" in path:
            return self.answer(204 if self.tokens.pop(path.rpartition("/")[2], None) else 404, {"message": "none"})
        there = path.rpartition("/")[2] in self.users
        return self.answer(200 if there else 404, {"message": "none"})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def log_message(self, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def gitea() -> Iterator[str]:
    Gitea.users, Gitea.tokens, Gitea.calls = {"raibid-admin": "root-password"}, {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gitea)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def wanted(url: str, password: str = "status-password") -> Order:
    return Order.model_validate(order(SETTINGS, url, dict(zip(LABELS, ("root-password", password), strict=True))))


def test_a_user_that_is_not_there_is_made_and_gets_a_token_for_repositories_only(gitea: str) -> None:
    token = issue(wanted(gitea))
    assert re.fullmatch(r"[0-9a-f]{40}", token.get_secret_value())
    assert Gitea.tokens["commit-status"]["of"] == "flux-status"
    assert Gitea.tokens["commit-status"]["scopes"] == ["write:repository"]


def test_the_last_token_ends_when_a_new_one_is_issued(gitea: str) -> None:
    first, second = issue(wanted(gitea)), issue(wanted(gitea))
    assert first != second
    assert [token["sha1"] for token in Gitea.tokens.values()] == [second.get_secret_value()]


def test_a_rotated_password_is_set_and_used(gitea: str) -> None:
    issue(wanted(gitea))
    issue(wanted(gitea, "another-password"))
    assert Gitea.users["flux-status"] == "another-password"


def test_the_user_may_write_and_is_restricted_otherwise(gitea: str) -> None:
    issue(wanted(gitea))
    bodies = {path: body for _, path, body in Gitea.calls if body}
    assert bodies["/admin/users"]["restricted"] is True
    assert bodies["/repos/raibid/fleet/collaborators/flux-status"] == {"permission": "write"}


def test_the_command_prints_the_token_and_nothing_else(
    gitea: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    passwords = dict(zip(LABELS, ("root-password", "status-password"), strict=True))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(order(SETTINGS, gitea, passwords))))
    assert commit_status() == 0
    out, err = capsys.readouterr()
    assert (out, err) == (Gitea.tokens["commit-status"]["sha1"], "")


def test_a_wrong_password_is_an_error_that_holds_no_password(gitea: str) -> None:
    Gitea.users["raibid-admin"] = "changed-by-hand"
    with pytest.raises(GiteaError) as error:
        issue(wanted(gitea), tries=0)
    assert "root-password" not in f"{error.value!r} {error.value} {error.value.hint}"


def test_an_order_that_is_none_is_wrong_use_and_repeats_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"admin": {"name": "a", "password": 5, "hunter2": 1}}'))
    with pytest.raises(OrderError) as error:
        commit_status()
    assert error.value.code == 2
    assert "hunter2: 1" not in str(error.value)
