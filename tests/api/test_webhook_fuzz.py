"""Deliveries that no forge would send, against the real app and a real Redis.

Whatever comes: never a 500, nothing enters unverified, no name enters unchecked, and a refusal leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from raibid.forge import names, sign
from raibid.ledger import Ledger

from tests.api.conftest import SECRET, Api, talk
from tests.forge.test_payloads import mutated

FIXTURES = Path(__file__).parents[1] / "forge" / "fixtures"
EVENTS: Final = {
    "gitea-push": "push",
    "gitea-new-branch": "push",
    "gitea-more-commits-than-listed": "push",
    "gitea-fork-pull-request-opened": "pull_request",
    "gitea-agit-pull-request-opened": "pull_request",
    "gitea-pull-request-closed": "pull_request",
    "gitea-pull-request-reopened": "pull_request",
    "gitea-fork-pull-request-approved": "pull_request_approved",
    "github-pull-request-approved": "pull_request_review",
    "github-push": "push",
    "github-force-push": "push",
    "github-pull-request-synchronize": "pull_request",
}
KINDS = st.sampled_from(sorted(EVENTS))
ANSWERED: Final = {200, 204, 400, 413, 415}
"""What a signed delivery may be answered; never 500."""
fuzzed = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def everything(ledger: Ledger) -> dict[bytes, bytes | None]:
    """All that the ledger has in Redis, value by value."""
    keys = sorted(ledger.client.scan_iter(match=f"*{ledger.keys.stream}*", count=1_000))
    return {key: ledger.client.dump(key) for key in keys}


def is_sound(api: Api, answer: httpx.Response) -> None:
    """Of a job that entered, every name is one that the pool accepts; all its words are text."""
    body = answer.json() if answer.content else {}
    if answer.status_code != 200 or "id" not in body:
        return
    job = api.ledger.records.get(body["id"])
    assert job is not None
    spec = job.spec
    names.repository(spec.repo), names.ref(spec.ref), names.sha(spec.sha), names.clone_url(spec.clone_url)
    assert names.branch(spec.default_branch) == spec.default_branch
    assert not spec.base or names.ref(f"refs/heads/{spec.base}")
    assert " " in spec.fork or not spec.fork or names.repository(spec.fork)
    assert json.dumps(api.reader.get(f"/jobs/{job.id}").json())
    assert spec.event != "pull_request" or (body["status"] == "held") >= bool(spec.fork and body["created"])


def deliver(api: Api, name: str, body: bytes) -> httpx.Response:
    return api.deliver(body, forge=name.partition("-")[0], event=EVENTS[name])


def judge(api: Api, answer: httpx.Response, before: dict[bytes, bytes | None]) -> None:
    assert answer.status_code in ANSWERED, answer.text
    is_sound(api, answer)
    if answer.status_code >= 300:
        assert set(answer.json()) == {"error", "remedy"}
        assert everything(api.ledger) == before


# --- what a payload may hold --------------------------------------------------------------------------------

WEIRD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            None, True, -1, 0, 2**53, 2**53 + 1, 10**400, -(10**400), 1e308, "", " ", "\x00", "\ud800", "..", "-x", "|",
            "a|b", "--upload-pack=id", "ext::sh -c id", "refs/heads/" + "x" * 2_000, "refs/heads/\u202e", "x" * 100_000,
            "0" * 40, "0" * 64, "f" * 40, [], {}, [[]], {"": {}},
        ]
    ),
    st.text(max_size=50),
    st.integers(),
    st.floats(),
)  # fmt: skip


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


READ_FIELDS: Final = {
    "ref", "before", "after", "full_name", "clone_url", "default_branch", "mirror", "commits", "head_commit", "message",
    "added", "removed", "modified", "pusher", "login", "name", "username", "compare_url", "total_commits", "created",
    "forced", "action", "number", "pull_request", "head", "base", "repo", "sha", "title", "html_url", "user", "sender",
    "repository", "id", "url",
}  # fmt: skip


def changed_at(payload: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy with another value at a place."""
    if not path:
        return value
    copy: Any = dict(payload) if isinstance(payload, dict) else list(payload)
    copy[path[0]] = changed_at(copy[path[0]], path[1:], value)
    return copy


@fuzzed
@given(data=st.data())
def test_a_weird_value_in_a_field_that_is_read_is_taken_or_refused(api: Api, data: st.DataObject) -> None:
    name = data.draw(KINDS)
    payload = json.loads((FIXTURES / f"{name}.json").read_bytes())
    read = [path for path in places(payload) if path[-1] in READ_FIELDS or isinstance(path[-1], int)]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(read))
        try:
            payload = changed_at(payload, path, data.draw(WEIRD))
        except (KeyError, IndexError, TypeError, ValueError):
            continue  # the first change took the second one's place away
    before = everything(api.ledger)
    judge(api, deliver(api, name, json.dumps(payload).encode()), before)


@fuzzed
@given(data=st.data())
def test_a_mutated_delivery_is_taken_or_refused(api: Api, data: st.DataObject) -> None:
    name = data.draw(KINDS)
    body = mutated(data, json.loads((FIXTURES / f"{name}.json").read_bytes()))
    before = everything(api.ledger)
    judge(api, deliver(api, name, body), before)


@fuzzed
@given(name=KINDS, body=st.binary(max_size=300))
@example(name="gitea-push", body=b"\xef\xbb\xbf{}")
@example(name="gitea-push", body=b'{"ref": NaN}')
@example(name="github-push", body=b'{"ref": "\xed\xa0\x80"}')
def test_bytes_that_are_no_payload_are_refused(api: Api, name: str, body: bytes) -> None:
    before = everything(api.ledger)
    answer = deliver(api, name, body)
    assert answer.status_code == 400
    judge(api, answer, before)


@pytest.mark.parametrize("name", EVENTS)
def test_nesting_as_deep_as_the_body_limit_lets_it_is_refused(api: Api, name: str) -> None:
    before = everything(api.ledger)
    payload = (FIXTURES / f"{name}.json").read_bytes().rstrip()
    for opening in (b"[", b'{"x":'):
        deep = payload[:-1] + b', "extra": ' + opening * ((4 * 1024 * 1024 - len(payload) - 20) // len(opening))
        answer = deliver(api, name, deep)
        assert answer.status_code == 400
        judge(api, answer, before)


@pytest.mark.parametrize("name", EVENTS)
def test_the_last_of_two_equal_keys_is_checked_like_the_only_one(api: Api, name: str) -> None:
    payload = (FIXTURES / f"{name}.json").read_bytes().rstrip()
    before = everything(api.ledger)
    answer = deliver(api, name, payload[:-1] + b', "repository": {"full_name": "../..", "clone_url": "ext::id"}}')
    assert answer.status_code == 400
    judge(api, answer, before)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("over", [0, 1])
def test_a_body_of_the_limit_is_read_and_one_more_byte_is_not(api: Api, name: str, over: int) -> None:
    settings = api.settings
    limit = settings.gitea_body_bytes if name.startswith("gitea") else settings.github_body_bytes
    body = (FIXTURES / f"{name}.json").read_bytes()
    before = everything(api.ledger)
    answer = deliver(api, name, body + b" " * (limit - len(body) + over))
    assert (answer.status_code == 413) == bool(over)
    judge(api, answer, before)


# --- headers ------------------------------------------------------------------------------------------------

HEADER_TEXT = st.binary(max_size=100).map(lambda value: value.translate(None, b"\r\n\x00"))


def status(api: Api, name: str, body: bytes, headers: dict[str, bytes]) -> int:
    """What a delivery is answered whose headers no client library would send."""
    head = b"POST /webhook/%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (
        name.partition("-")[0].encode(),
        len(body),
    )
    lines = b"".join(b"%b: %b\r\n" % (key.encode(), value) for key, value in headers.items())
    return int(talk(api, head + lines + b"\r\n" + body).split(b" ")[1])


def headers_of(name: str, body: bytes) -> dict[str, bytes]:
    signed = {key: value.encode() for key, value in sign(body, SECRET).items()}
    event = f"X-{name.partition('-')[0]}-Event"
    return {"Content-Type": b"application/json", event: EVENTS[name].encode(), **signed}


@fuzzed
@given(name=KINDS, garbage=HEADER_TEXT, header=st.sampled_from(["Content-Type", "Event", "Delivery"]))
def test_garbage_in_a_header_is_no_500(api: Api, name: str, garbage: bytes, header: str) -> None:
    body = (FIXTURES / f"{name}.json").read_bytes()
    called = header if header == "Content-Type" else f"X-{name.partition('-')[0]}-{header}"
    before = everything(api.ledger)
    answer = status(api, name, body, {**headers_of(name, body), called: garbage})
    assert answer in ANSWERED
    assert answer < 300 or everything(api.ledger) == before


SIGNATURES = st.one_of(
    HEADER_TEXT,
    st.text("0123456789abcdef", min_size=64, max_size=64).map(str.encode),
    st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda digits: f"sha256={digits}".encode()),
    st.just(sign(b"another body", SECRET)["X-Gitea-Signature"].encode()),
    st.just(sign(b"", b"")["X-Gitea-Signature"].encode()),
)


@fuzzed
@given(
    name=KINDS,
    signature=SIGNATURES,
    signed=st.sets(st.sampled_from(["X-Gitea-Signature", "X-Hub-Signature-256", "X-Hub-Signature"])),
    event=st.sampled_from([b"push", b"pull_request", b"pull_request_review", b"ping", b""]),
)
def test_nothing_unverified_is_read_whatever_it_says_of_itself(
    api: Api, name: str, signature: bytes, signed: set[str], event: bytes
) -> None:
    body = (FIXTURES / f"{name}.json").read_bytes()
    headers = {"Content-Type": b"application/json", f"X-{name.partition('-')[0]}-Event": event}
    before = everything(api.ledger)
    assert status(api, name, body, {**headers, **dict.fromkeys(signed, signature)}) in (400, 401)
    assert everything(api.ledger) == before
