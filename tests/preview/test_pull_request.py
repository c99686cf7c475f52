"""The one comment of a stack on a pull request, against a Gitea played by a local server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlparse

import pytest

from components.review.pull_request import ForgeError, PullRequest

MARKER = "<!-- raibid:preview:dgx-spark -->"
TOKEN = "sentinel-of-this-test"


class Gitea(BaseHTTPRequestHandler):
    """Comments of one pull request."""

    comments: ClassVar[list[dict[str, Any]]]
    calls: ClassVar[list[str]]
    pages: ClassVar[bool]

    def _answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _sent(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def _refused(self) -> bool:
        self.calls.append(f"{self.command} {self.path}")
        if self.headers["Authorization"] == f"token {TOKEN}":
            return False
        self._answer({"message": "bad token"}, 401)
        return True

    def do_GET(self) -> None:
        if self._refused():
            return
        url = urlparse(self.path)
        query = {key: int(values[0]) for key, values in parse_qs(url.query).items()}
        if url.path == "/api/v1/user":
            self._answer({"login": "raibid"})
        elif url.path != "/api/v1/repos/raibid/raibid-ci/issues/7/comments":
            self._answer({"message": "not found"}, 404)
        elif self.pages:
            start = (query["page"] - 1) * query["limit"]
            self._answer(self.comments[start : start + query["limit"]])
        else:
            self._answer(self.comments)

    def do_POST(self) -> None:
        if not self._refused():
            comment = {"id": len(self.comments) + 1, "body": self._sent(), "user": {"login": "raibid"}}
            self.comments.append(comment)
            self._answer(comment, 201)

    def do_PATCH(self) -> None:
        if not self._refused():
            comment = next(c for c in self.comments if c["id"] == int(self.path.rpartition("/")[2]))
            comment["body"] = self._sent()
            self._answer(comment)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


class Server:
    def __init__(self, url: str, handler: type[Gitea]) -> None:
        self.url, self.handler = url, handler

    def say(self, *bodies: str, by: str = "raibid") -> None:
        for body in bodies:
            self.handler.comments.append({"id": len(self.handler.comments) + 1, "body": body, "user": {"login": by}})

    @property
    def bodies(self) -> list[str]:
        return [comment["body"] for comment in self.handler.comments]

    def pull_request(self, **changes: Any) -> PullRequest:
        return PullRequest(
            **{"server": self.url, "repository": "raibid/raibid-ci", "number": 7, "token": TOKEN, **changes}
        )


@pytest.fixture
def gitea() -> Iterator[Server]:
    handler = type("Handler", (Gitea,), {"comments": [], "calls": [], "pages": True})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield Server(f"http://127.0.0.1:{server.server_port}", handler)
        server.shutdown()
        thread.join()


def test_the_first_time_it_is_written(gitea: Server) -> None:
    gitea.say("looks good to me", by="ada")
    assert gitea.pull_request().upsert_comment(MARKER, f"{MARKER}\none") == "created"
    assert gitea.bodies == ["looks good to me", f"{MARKER}\none"]


def test_ever_after_it_is_replaced(gitea: Server) -> None:
    for text in ("one", "two", "three"):
        gitea.pull_request().upsert_comment(MARKER, f"{MARKER}\n{text}")
    assert gitea.bodies == [f"{MARKER}\nthree"]


@pytest.mark.parametrize("pages", [True, False], ids=["in-pages", "whole"])
@pytest.mark.parametrize("before", [0, 49, 50, 51, 120])
def test_it_is_found_behind_any_number_of_other_comments(gitea: Server, before: int, pages: bool) -> None:
    gitea.handler.pages = pages
    gitea.say(*["talk"] * before, f"{MARKER}\nold")
    assert gitea.pull_request().upsert_comment(MARKER, f"{MARKER}\nnew") == "updated"
    assert gitea.bodies[-1] == f"{MARKER}\nnew"


@pytest.mark.parametrize("pages", [True, False], ids=["in-pages", "whole"])
def test_a_whole_number_of_pages_without_it_ends(gitea: Server, pages: bool) -> None:
    gitea.handler.pages = pages
    gitea.say(*["talk"] * 100)
    assert gitea.pull_request().upsert_comment(MARKER, MARKER) == "created"


def test_another_stacks_comment_is_left_alone(gitea: Server) -> None:
    gitea.say("<!-- raibid:preview:local -->\nlocal")
    gitea.pull_request().upsert_comment(MARKER, MARKER)
    assert gitea.bodies == ["<!-- raibid:preview:local -->\nlocal", MARKER]


def test_a_marker_that_somebody_else_wrote_is_not_ours_to_replace(gitea: Server) -> None:
    gitea.say(f"{MARKER}\nmine", by="mallory")
    gitea.pull_request().upsert_comment(MARKER, MARKER)
    assert gitea.bodies == [f"{MARKER}\nmine", MARKER]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token": "wrong"}, "401"),
        ({"number": 8}, "404"),
        ({"server": "http://127.0.0.1:1"}, "ConnectionError"),
    ],
)
def test_a_refusal_is_told_without_the_token(gitea: Server, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ForgeError, match=words) as raised:
        gitea.pull_request(**changes).upsert_comment(MARKER, MARKER)
    assert raised.value.hint
    assert TOKEN not in f"{raised.value} {raised.value.hint}"
    assert not gitea.bodies


def test_the_token_is_in_no_address_and_in_no_repr(gitea: Server) -> None:
    target = gitea.pull_request()
    target.upsert_comment(MARKER, MARKER)
    assert TOKEN not in repr(target)
    assert not [call for call in gitea.handler.calls if TOKEN in call]
