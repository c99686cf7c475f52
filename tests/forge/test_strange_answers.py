"""Answers that no documentation knows: a question ends with an answer or with an error of ours, never with another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raibid.forge.credentials import Login
from raibid.forge.errors import CallError, ForgeSilentError
from raibid.forge.forge import Forge
from raibid.forge.gitea import GiteaClient
from raibid.forge.github import GithubClient
from raibid.forge.session import Session

from tests.http_server import Handler, HttpServer

SHA = "5" * 40
QUESTIONS: dict[str, Callable[[Forge], object]] = {
    "repository": lambda forge: forge.repository("acme/anvil"),
    "repositories": lambda forge: list(forge.repositories()),
    "of-an-owner": lambda forge: list(forge.repositories("acme")),
    "heads": lambda forge: forge.heads("acme/anvil"),
    "pulls": lambda forge: forge.pulls("acme/anvil"),
    "changes": lambda forge: forge.changes("acme/anvil", SHA, "6" * 40),
    "pull-changes": lambda forge: forge.pull_changes("acme/anvil", 1, SHA),
    "may-write": lambda forge: forge.may_write("acme/anvil", "ada"),
    "approvers": lambda forge: forge.approvers("acme/anvil", 1, SHA),
    "comment": lambda forge: forge.upsert_comment("acme/anvil", 1, "<!-- x -->", "text"),
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_REPOSITORY = st.fixed_dictionaries(
    {"full_name": _JSON, "clone_url": _JSON}, optional={"empty": _JSON, "private": _JSON}
)
_SIDE = st.fixed_dictionaries({"ref": st.text(max_size=9) | _JSON, "sha": _JSON, "repo": _REPOSITORY | st.none()})
_ALMOST = st.fixed_dictionaries(
    {"name": _JSON, "commit": st.fixed_dictionaries({"id": _JSON, "sha": _JSON, "message": _JSON}) | _JSON},
    optional={
        "number": st.integers(), "head": _SIDE, "base": _SIDE, "full_name": st.text(), "clone_url": st.text(),
        "filename": _JSON, "sha": _JSON, "message": _JSON, "state": _JSON, "commits": _JSON, "files": _JSON,
        "permission": _JSON, "body": _JSON, "user": _JSON, "id": st.integers(), "type": _JSON, "data": _JSON,
    },
)  # fmt: skip
"""Objects with the names that are looked for."""
ANSWERS = st.one_of(
    (_JSON | _ALMOST | st.lists(_ALMOST, max_size=3)).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
)


@dataclass
class Babbler(HttpServer):
    """It answers every question with the same."""

    content: bytes = b""
    claims: int = 0
    """Bytes more than it sends."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"babbler": self})


class _Handler(Handler):
    babbler: ClassVar[Babbler]

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("ETag", '"so that it is remembered"')
        self.send_header("Content-Length", str(len(self.babbler.content) + self.babbler.claims))
        self.end_headers()
        self.wfile.write(self.babbler.content)
        self.close_connection = bool(self.babbler.claims)

    do_GET = do_POST = do_PATCH = _serve


@pytest.fixture(scope="module")
def babbler() -> Iterator[Babbler]:
    with Babbler() as babbler:
        yield babbler


@pytest.fixture(scope="module", params=[GiteaClient, GithubClient], ids=["gitea", "github"])
def forge(request: pytest.FixtureRequest, babbler: Babbler) -> Iterator[Forge]:
    with request.param(Session(babbler.url, Login("ci", "x"), tries=0)) as client:
        yield client


@pytest.mark.parametrize("question", QUESTIONS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=ANSWERS)
def test_a_strange_answer_is_an_answer_or_an_error_of_ours(
    babbler: Babbler, forge: Forge, question: str, content: bytes
) -> None:
    babbler.content, babbler.claims = content, 0
    with suppress(CallError):
        QUESTIONS[question](forge)


def test_an_answer_that_breaks_off_is_no_answer(babbler: Babbler, forge: Forge) -> None:
    babbler.content, babbler.claims = b"[]", 10
    with pytest.raises(ForgeSilentError):
        forge.heads("acme/anvil")
