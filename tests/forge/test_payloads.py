"""Push payloads of both forges, and every way they can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raibid.forge import PayloadError, gitea, github, names
from raibid.model.push_event import PushEvent

FIXTURES = Path(__file__).parent / "fixtures"
PARSE = {"gitea": gitea.parse, "github": github.parse}


Event = Callable[[str], PushEvent]


@pytest.mark.parametrize("forge", ["gitea", "github"])
def test_a_push_becomes_an_event(event: Event, forge: str) -> None:
    push = event(f"{forge}-push")
    assert (push.forge, push.repo, push.ref) == (forge, "acme/anvil", "refs/heads/main")
    assert push.clone_url == "https://git.example.test/acme/anvil.git"
    assert push.message == "anvil: release on beep-beep\n"
    assert (push.author, push.default_branch) == ("wile", "main")
    assert push.link.endswith(push.after)
    assert push.changed == (
        "Cargo.toml", "docs/cliff.md", "docs/old-cliff.md", "src/lib.rs", "src/rope.rs", "tests/drop.rs",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["gitea-branch-deleted", "github-branch-deleted"])
def test_a_deletion_is_told_by_its_zeros(event: Event, name: str) -> None:
    assert event(name).deletes


@pytest.mark.parametrize("name", ["gitea-more-commits-than-listed", "gitea-new-branch", "github-force-push"])
def test_an_incomplete_list_of_commits_means_not_knowing_what_changed(event: Event, name: str) -> None:
    assert event(name).changed is None


@pytest.mark.parametrize("forge", ["gitea", "github"])
@pytest.mark.parametrize("kind", ["ping", "issues", "pull_request_comment", "PUSH", ""])
def test_other_events_are_none_and_their_body_stays_unread(forge: str, kind: str) -> None:
    assert PARSE[forge]({f"x-{forge}-event": kind}, b"not even JSON") is None
    assert PARSE[forge]({}, b"not even JSON") is None


def changed(path: str, value: Any) -> bytes:
    payload = json.loads((FIXTURES / "gitea-push.json").read_bytes())
    *parents, last = path.split(".")
    place = payload
    for parent in parents:
        place = place[parent]
    place[last] = value
    return json.dumps(payload).encode()


WRONG: dict[str, bytes] = {
    "empty": b"",
    "not-json": b"payload=%7B%7D",
    "not-utf8": b'{"ref": "\xff\xfe"}',
    "null": b"null",
    "list": b"[]",
    "no-fields": b"{}",
    "deep-list": b'{"x":' + b"[" * 500_000,
    "deep-object": b'{"x":' + b'{"x":' * 500_000,
    "trailing": (FIXTURES / "gitea-push.json").read_bytes() + b"x",
    "ref-number": changed("ref", 7),
    "ref-short": changed("ref", "main"),
    "ref-option": changed("ref", "--upload-pack=touch /tmp/x"),
    "ref-dots": changed("ref", "refs/heads/../x"),
    "ref-control": changed("ref", "refs/heads/a\nb"),
    "sha-short": changed("after", "abc"),
    "sha-upper": changed("after", "A" * 40),
    "repo-bar": changed("repository.full_name", "acme/a|gpu"),
    "repo-alone": changed("repository.full_name", "anvil"),
    "repo-up": changed("repository.full_name", "acme/.."),
    "repo-option": changed("repository.full_name", "-acme/anvil"),
    "repository-null": changed("repository", None),
    "url-ext": changed("repository.clone_url", "ext::sh -c id"),
    "url-option": changed("repository.clone_url", "--upload-pack=id"),
    "url-password": changed("repository.clone_url", "https://wile:hunter2@git.example.test/acme/anvil.git"),
    "url-token": changed("repository.clone_url", "https://hunter2@git.example.test/acme/anvil.git"),
    "url-host-option": changed("repository.clone_url", "ssh://-oProxyCommand=id/x"),
    "url-bad-port": changed("repository.clone_url", "https://[half/x"),
    "default-branch-dots": changed("repository.default_branch", "../main"),
    "default-branch-option": changed("repository.default_branch", "main\n--upload-pack=id"),
    "commits-text": changed("commits", "three"),
    "files-number": changed("head_commit.added", [1]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_payload_is_a_payload_error(name: str) -> None:
    with pytest.raises(PayloadError) as raised:
        gitea.parse({"x-gitea-event": "push"}, WRONG[name])
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "value", ["git@git.example.test:acme/anvil.git", "ssh://git@h:2222/acme/anvil", "file:///r.git"]
)
def test_other_transports_of_git_are_accepted(value: str) -> None:
    push = gitea.parse({"x-gitea-event": "push"}, changed("repository.clone_url", value))
    assert isinstance(push, PushEvent)
    assert push.clone_url == value


@given(st.characters(categories=["Cs"]))
def test_half_a_surrogate_pair_is_in_no_name(half: str) -> None:
    for check, name in ((names.ref, f"refs/heads/{half}"), (names.clone_url, f"https://git.example.test/{half}")):
        with pytest.raises(PayloadError):
            check(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_mutated_payload_is_an_event_or_a_payload_error(data: st.DataObject) -> None:
    forge = data.draw(st.sampled_from(["gitea", "github"]))
    body = mutated(data, json.loads((FIXTURES / f"{forge}-push.json").read_bytes()))
    try:
        parsed = PARSE[forge]({f"x-{forge}-event": "push"}, body)
    except PayloadError:
        return
    assert isinstance(parsed, PushEvent)
    assert "|" not in parsed.repo
    assert parsed.ref.startswith("refs/")


def mutated(data: st.DataObject, payload: Any) -> bytes:
    """A payload with a few values replaced, removed or added anywhere, or with broken bytes."""
    for _ in range(data.draw(st.integers(1, 4))):
        place = payload
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and data.draw(st.booleans()):
                place = place[key]
                continue
            if data.draw(st.booleans()):
                place[key] = data.draw(JSON)
            else:
                del place[key]
            break
    body = json.dumps(payload).encode("utf-8", "surrogatepass")
    if data.draw(st.booleans()):
        position = data.draw(st.integers(0, len(body)))
        body = body[:position] + data.draw(st.binary(max_size=5)) + body[position:]
    return body
