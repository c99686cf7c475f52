"""A forge's API over real HTTP as far as statuses and comments go: Gitea's codes, and every way it can be in trouble.

Compared with a real Gitea 1.26 in tests/cluster/test_commit_statuses.py.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

from tests.http_server import Handler, HttpServer

_STATUSES = re.compile(r"/api/v1/repos/([^/]+/[^/]+)/statuses/([0-9a-f]+)")
_REPOSITORY = re.compile(r"/api/v1/repos/([^/]+/[^/]+)")
_COMMIT = re.compile(r"/api/v1/repos/([^/]+/[^/]+)/git/commits/([0-9a-f]+)")
_COMMENTS = re.compile(r"/api/v1/repos/([^/]+/[^/]+)/issues/(\d+)/comments")
_COMMENT = re.compile(r"/api/v1/repos/([^/]+/[^/]+)/issues/comments/(\d+)")
NAME, TOKEN = "raibid", "t0k/en of the täsk"


@dataclass
class FakeForge(HttpServer):
    """A forge that one user may write statuses to. It keeps its port and its memory while it is down."""

    statuses: list[dict[str, Any]] = field(default_factory=list)
    """In the order they came: repo, sha, state, context, description, target_url."""
    comments: list[dict[str, Any]] = field(default_factory=list)
    """As they are: repo, number, body, and what Gitea says of each."""
    gone: set[str] = field(default_factory=set)
    """Commits and repositories that are not there."""
    asked: list[str] = field(default_factory=list)
    trouble: Callable[[str], int] = lambda _: 0
    """Method and path → the status instead of an answer; 0 for none."""
    words: str = "not\n  now"
    headers: dict[str, str] = field(default_factory=dict)
    """Of an answer in trouble."""
    meanwhile: Callable[[], None] = lambda: None
    """Called while a status is taken: what happens elsewhere before the answer arrives."""
    loses_answers: bool = False
    """It takes a status, and the connection breaks before it can say so."""
    holds_back: bool = False
    """It says nothing, and takes the status only when `take_held_back` is called."""
    held_back: list[dict[str, Any]] = field(default_factory=list)
    held_comments: list[dict[str, Any]] = field(default_factory=list)
    page_link: str = ""
    """The `Link` header of every answer."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Earlier name of a repository → the one it has."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"forge": self})

    def credentials(self, file: Path) -> Path:
        """The file that lets the pool in."""
        file.write_text(
            f"https://other:wrong@127.0.0.1:{self.port}\nhttp://{NAME}:t0k%2Fen%20of%20the%20t%C3%A4sk@127.0.0.1:{self.port}\n",
            encoding="utf-8",
        )
        return file

    def take_held_back(self) -> None:
        """A slow forge gets there at last."""
        self.statuses += self.held_back
        self.held_back.clear()
        for late in self.held_comments:
            self.comments.append({**late, "id": self.next_id})
        self.held_comments.clear()

    @property
    def next_id(self) -> int:
        """Of a comment."""
        return max((c["id"] for c in self.comments), default=0) + 1

    def shown(self, sha: str, context: str = "raibid") -> str:
        """The state that people see beside a commit: the last one told."""
        states = [s["state"] for s in self.statuses if (s["sha"], s["context"]) == (sha, context)]
        return states[-1] if states else ""


class _Handler(Handler):
    forge: ClassVar[FakeForge]

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.forge.asked.append(f"{self.command} {self.path}")
        self._location = ""
        status, answer = self._answer(body)
        if self.forge.loses_answers or self.forge.holds_back:
            self.close_connection = True
            return
        data = b"" if status == 204 else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in self.forge.headers.items() if status >= 300 else ():
            self.send_header(name, value)
        if self.forge.page_link:
            self.send_header("Link", self.forge.page_link)
        if self._location:
            self.send_header("Location", self._location)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, body: bytes) -> tuple[int, Any]:
        if status := self.forge.trouble(f"{self.command} {self.path}"):
            return status, {"message": self.forge.words}
        expected = "Basic " + base64.b64encode(f"{NAME}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            return 401, {"message": "invalid username, password or token"}
        path = self.path.partition("?")[0]
        repository = _REPOSITORY.match(path)
        if repository and (now := self.forge.renamed.get(repository[1])):
            self._location = path.replace(repository[1], now, 1)
            return 301, {}
        if _REPOSITORY.fullmatch(path) and repository and repository[1] not in self.forge.gone:
            return 200, {"full_name": repository[1], "clone_url": f"{self.forge.url}/{repository[1]}.git"}
        if match := _COMMIT.fullmatch(path):
            there = not self.forge.gone & set(match.groups())
            return (200, {"sha": match[2]}) if there else (404, {"message": f"commit doesn't exist: {match[2]}"})
        if path == "/api/v1/user":
            return 200, {"login": NAME}
        if "/issues/" in path:
            return self._comment(path, json.loads(body or b"{}").get("body", ""))
        match = _STATUSES.fullmatch(path)
        if not match or match[1] in self.forge.gone:
            return 404, {"message": "not found"}
        if match[2] in self.forge.gone:
            return 500, {"message": ""}
        told = json.loads(body)
        taken = self.forge.held_back if self.forge.holds_back else self.forge.statuses
        taken.append({"repo": match[1], "sha": match[2], **told})
        self.forge.meanwhile()
        return 201, {"id": len(self.forge.statuses), "status": told["state"], **told, "creator": {"login": NAME}}

    def _comment(self, path: str, text: str) -> tuple[int, Any]:
        comments = self.forge.comments
        if match := _COMMENT.fullmatch(path):
            [one] = [c for c in comments if c["id"] == int(match[2])]
            if self.command == "DELETE":
                comments.remove(one)
                return 204, None
            one["body"] = text
            return 200, one
        match = _COMMENTS.fullmatch(path)
        if not match or match[1] in self.forge.gone:
            return 404, {"message": "not found"}
        if self.command == "GET":
            return 200, [c for c in comments if (c["repo"], c["number"]) == (match[1], int(match[2]))]
        one = {"id": self.forge.next_id, "body": text, "user": {"login": NAME}}
        taken = self.forge.held_comments if self.forge.holds_back else comments
        taken.append({**one, "repo": match[1], "number": int(match[2])})
        return 201, one

    do_GET = do_POST = do_PATCH = do_DELETE = _serve
