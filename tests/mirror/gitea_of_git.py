"""A Gitea whose mirrors are real bare repositories: what is fetched is fetched by git, and git can clone from it.

    with GiteaOfGit(tmp_path / "gitea") as gitea:
        gitea.mirror("acme/anvil", source_url)

Compared with a real Gitea 1.26 in tests/cluster/test_mirror_sync.py.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from raibid.mirror.config import MARK

from tests.cluster.parts.git_http import GitServer, git_handler
from tests.http_server import HttpServer


def sh(*command: str, at: Path, lines: str = "") -> str:
    """git, as somebody."""
    who = ("-c", "user.name=Dev", "-c", "user.email=dev@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *who, *command], cwd=at, input=lines, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


class GiteaOfGit(HttpServer):
    """Its API answers for all mirrors; `sync` fetches before it answers, which is the one thing Gitea does later."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sources: dict[str, str] = {}
        self.asked: list[str] = []
        """Of the API."""
        self.fetched: list[str] = []
        """By git."""
        self.brings = True
        """Whether a sync brings anything: Gitea is silent about those that do not."""
        self.trouble: Callable[[str], int] = lambda _: 0
        """Method and path, also of git's requests → the status instead of an answer; 0 for none."""

    def mirror(self, name: str, source: str) -> None:
        """A mirror as `POST /repos/migrate` leaves it."""
        self.sources[name] = source
        at = self.directory / f"{name}.git"
        sh("clone", "--quiet", "--mirror", source, str(at), at=self.directory)

    def heads(self, name: str) -> dict[str, str]:
        """Branch → commit."""
        lines = sh("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads", at=self._at(name))
        return dict(line.split() for line in lines.splitlines())

    def refs(self, name: str) -> dict[str, str]:
        """Branches and tags, by their full names → commit or tag object."""
        lines = sh("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags", at=self._at(name))
        return dict(line.split() for line in lines.splitlines())

    def credentials(self, file: Path) -> Path:
        """Everybody may; the pool wants a line."""
        file.write_text(f"{self.url.replace('://', '://raibid:gitea-sentinel@')}\n")
        return file

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Api, git_handler(self.directory)), {"gitea": self})

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        super().start()

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        """Status and body."""
        self.asked.append(f"{method} {path}")
        if status := self.trouble(f"{method} {path}"):
            return status, {"message": "not now"}
        parts = urlsplit(path).path.removeprefix("/api/v1/repos/").split("/")
        if parts == ["search"]:
            return 200, {"data": [self._repository(number, name) for number, name in enumerate(self.sources, 1)]}
        name = "/".join(parts[:2])
        if name not in self.sources:
            return 404, {"message": "not found"}
        if parts[2:] == ["mirror-sync"]:
            if self.brings:
                sh("fetch", "--quiet", "--prune", "origin", at=self._at(name))
            return 200, None
        if parts[2:] == ["branches"]:
            return 200, [{"name": branch, "commit": {"id": sha}} for branch, sha in self.heads(name).items()]
        return 404, {"message": "not found"}

    def _repository(self, number: int, name: str) -> dict[str, Any]:
        return {
            "id": number,
            "full_name": name,
            "mirror": True,
            "mirror_interval": "0s",
            "original_url": self.sources[name],
            "topics": [MARK],
        }

    def _at(self, name: str) -> Path:
        return self.directory / f"{name}.git"


class _Api(BaseHTTPRequestHandler):
    """The API; everything else is git's, to whom the base class answers."""

    gitea: GiteaOfGit

    def do_GET(self) -> None:
        if self.path.startswith("/api/"):
            self._say()
        else:
            self._git(super().do_GET)  # type: ignore[misc]

    def do_POST(self) -> None:
        if self.path.startswith("/api/"):
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._say()
        else:
            self._git(super().do_POST)  # type: ignore[misc]

    def _git(self, answer: Callable[[], None]) -> None:
        request = f"{self.command} {self.path}"
        self.gitea.fetched.append(request)
        if status := self.gitea.trouble(request):
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._write(status, None)
        else:
            answer()

    def _say(self) -> None:
        self._write(*self.gitea.answer(self.command, self.path))

    def _write(self, status: int, body: Any) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the overridden one)
        """Quiet."""


class Upstream:
    """Sources: repositories that somebody pushes to, over git's own HTTP server."""

    def __init__(self, directory: Path) -> None:
        self.server = GitServer(directory, "127.0.0.1")

    @property
    def host(self) -> tuple[str, int]:
        """Where it listens."""
        parts = urlsplit(self.server.url)
        return str(parts.hostname), int(parts.port or 0)

    def url(self, name: str) -> str:
        """The clone URL."""
        return f"{self.server.url}/{name}.git"

    def push(self, name: str, text: str) -> str:
        """A commit on main; its id."""
        return self.server.repository(name, {"file": text})

    def rewrite(self, name: str) -> str:
        """A forced push over main."""
        work = self.server.root / f"{name}.work"
        sh("commit", "--quiet", "--amend", "--message", "rewritten", at=work)
        sh("push", "--quiet", "--force", str(self.server.root / f"{name}.git"), "main", at=work)
        return sh("rev-parse", "HEAD", at=work)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__(None, None, None)
