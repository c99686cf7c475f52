"""Bodies that people and scripts send: read after the caller is known, and never without a bound."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from raibid.api.settings import Settings
from raibid.ledger import Ledger

from tests.api.conftest import WRITE, Api, served, talk

ROUTES = [("POST", "/jobs"), ("PUT", "/queue/limits")]
JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024

pytestmark = pytest.mark.parametrize(("method", "path"), ROUTES)


@pytest.fixture
def hasty(make_settings: Callable[..., Settings], ledger: Ledger) -> Iterator[Api]:
    with served(make_settings(body_seconds=0.3), ledger) as api:
        yield api


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *lines, "", ""]
    ).encode()


def test_without_a_token_the_answer_comes_before_the_body(api: Api, method: str, path: str) -> None:
    assert b"401" in talk(api, head(method, path, "Content-Length: 200000000"))
    assert b"401" in talk(api, head(method, path, "Transfer-Encoding: chunked"))


@pytest.mark.parametrize("body", [b"{", b"\xff", b"x" * 2 * MIB], ids=["malformed", "not-text", "oversized"])
def test_without_the_scope_no_body_is_judged(api: Api, method: str, path: str, body: bytes) -> None:
    assert api.anonymous.request(method, path, content=body, headers=JSON).status_code == 401
    assert api.reader.request(method, path, content=body, headers=JSON).status_code == 403


def test_a_body_over_1_mib_is_413_while_reading(api: Api, method: str, path: str) -> None:
    known = f"Authorization: Bearer {WRITE}"
    assert b"413" in talk(api, head(method, path, known, f"Content-Length: {MIB + 1}"))
    chunk = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"  # and never the last one
    assert b"413" in talk(api, head(method, path, known, "Transfer-Encoding: chunked"), *[chunk] * 5)


def test_a_body_that_does_not_arrive_is_408(hasty: Api, method: str, path: str) -> None:
    assert b"408" in talk(hasty, head(method, path, f"Authorization: Bearer {WRITE}", "Content-Length: 10"))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"ref": "\\ud800"}', b"[" * 100_000], ids=lambda b: repr(b[:9]))
def test_malformed_json_is_400(api: Api, method: str, path: str, body: bytes) -> None:
    answer = api.writer.request(method, path, content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json().keys() == {"error", "remedy"}


def test_another_content_type_is_415(api: Api, method: str, path: str) -> None:
    assert api.writer.request(method, path, content=b"{}").status_code == 415


def test_openapi_describes_the_body(api: Api, method: str, path: str) -> None:
    operation = api.anonymous.get("/openapi.json").json()["paths"][path][method.lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {"/jobs": "clone_url", "/queue/limits": "window"}[path] in schema["properties"]
    assert json.dumps(schema).count("$ref") == 0
    assert {"400", "401", "403", "408", "413", "415", "422"} <= operation["responses"].keys()
