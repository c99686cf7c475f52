"""The script that gives Gitea's administrator its password: what it makes of the command line's output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.http_server import Handler, HttpServer

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "components/scripts/gitea_admin.sh"
PRINTED = "80c6568ff7cba4d71d1bff510a17e0c9d7479fcc"


class Tokens(HttpServer):
    """A Gitea that lets the printed token set a password, and that password log in."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.password_set = False

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"gitea": self})


class _Handler(Handler):
    gitea: Tokens

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/api/healthz" or self.gitea.password_set else 401)

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.gitea.password_set = self.headers["Authorization"] == f"token {PRINTED}"
        self._answer(200 if self.gitea.password_set else 401)

    def do_DELETE(self) -> None:
        self._answer(204 if self.gitea.password_set else 401)

    def _answer(self, status: int) -> None:
        self.gitea.asked.append((self.command, status))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def gitea() -> Iterator[Tokens]:
    with Tokens() as server:
        yield server


def ran(gitea: Tokens, directory: Path, **more: str) -> subprocess.CompletedProcess[str]:
    secret = directory / "password"
    secret.write_text("admin-sentinel")
    environment = {
        "PATH": f"{Path(__file__).parent / 'commands'}:{os.environ['PATH']}",
        "RAIBID_ADMIN": "raibid-admin",
        "RAIBID_ADMIN_PASSWORD_FILE": str(secret),
        "RAIBID_DOMAIN": "example.com",
        "RAIBID_GITEA": gitea.url,
        **more,
    }
    return subprocess.run(["/bin/sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


def test_a_line_of_the_log_after_the_token_is_not_taken_for_it(gitea: Tokens, tmp_path: Path) -> None:
    done = ran(gitea, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert gitea.asked[-2:] == [("PATCH", 200), ("DELETE", 204)]


def test_a_gitea_that_prints_no_token_is_said_and_nothing_is_asked_with_another(gitea: Tokens, tmp_path: Path) -> None:
    done = ran(gitea, tmp_path, PRINTS_NO_TOKEN="yes")
    assert done.returncode == 1
    assert done.stderr == "raibid: Gitea printed no token for its administrator\n"
    assert not any(method == "PATCH" for method, _ in gitea.asked)
