"""A mirror is verified when both sides have the same heads, and never because somebody said so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.mirror.force_push import ForcePushPolicy
from raibid.mirror.git import Git
from raibid.mirror.guard import AllowedHost, Guard
from raibid.mirror.kept import Kept
from raibid.mirror.tokens import Tokens
from raibid.mirror.upkeep import Look, Upkeep
from raibid.model.mirror import MirrorRecord, MirrorState
from raibid.store.filesystem import FileStore

from tests.mirror.gitea_of_git import GiteaOfGit, Upstream, sh

NAME = "acme/anvil"


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream(tmp_path / "upstream") as upstream:
        upstream.push("anvil", "one")
        yield upstream


@pytest.fixture
def gitea(tmp_path: Path, upstream: Upstream) -> Iterator[GiteaOfGit]:
    with GiteaOfGit(tmp_path / "gitea") as gitea:
        gitea.mirror(NAME, upstream.url("anvil"))
        yield gitea


@pytest.fixture
def upkeep(tmp_path: Path, upstream: Upstream, gitea: GiteaOfGit) -> Iterator[Upkeep]:
    host, port = upstream.host
    allowed = AllowedHost(name=host, port=port, schemes=frozenset({"http"}), private=True)
    with GiteaMirrors.connect(gitea.url, gitea.credentials(tmp_path / "credentials"), tries=0) as client:
        yield Upkeep(
            gitea=client,
            gitea_url=gitea.url,
            gitea_git=Git(credentials=tmp_path / "credentials"),
            guard=Guard([allowed]),
            tokens=Tokens(),
            store=FileStore(tmp_path / "store"),
            patience=0.5,
        )


def kept(upstream: Upstream, policy: ForcePushPolicy = ForcePushPolicy.ON_FORCE_PUSH) -> Kept:
    return Kept(name=NAME, source=upstream.url("anvil"), policy=policy)


def look(upkeep: Upkeep, upstream: Upstream, before: MirrorRecord | None = None, **how: bool) -> Look:
    return upkeep.look(kept(upstream), before, **how)


def test_equal_heads_are_verified_without_a_sync(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    found = look(upkeep, upstream)
    assert (found.record.state, found.record.branches, found.moved) == (MirrorState.VERIFIED, 1, False)
    assert found.record.verified == found.record.checked > 0
    assert not [asked for asked in gitea.asked if asked.startswith("POST")]


def test_a_push_is_brought_and_then_verified(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    sha = upstream.push("anvil", "two")
    found = look(upkeep, upstream)
    assert (found.record.state, found.moved, found.record.bundle) == (MirrorState.VERIFIED, True, "")
    assert gitea.heads(NAME) == {"main": sha}


def test_only_comparing_brings_nothing(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    upstream.push("anvil", "two")
    found = look(upkeep, upstream, only_compare=True)
    assert found.record.state is MirrorState.BEHIND
    assert found.record.reason == "1 of 1 branches differ: main"
    assert not [asked for asked in gitea.asked if asked.startswith("POST")]


def test_a_sync_that_brings_nothing_is_no_success(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    gitea.brings = False
    upstream.push("anvil", "two")
    found = look(upkeep, upstream)
    assert (found.record.state, found.moved, found.record.errors) == (MirrorState.BEHIND, False, 1)
    assert "did not bring it" in found.record.reason


def test_the_time_behind_counts_from_the_first_look_that_found_it(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit
) -> None:
    gitea.brings = False
    upstream.push("anvil", "two")
    first = look(upkeep, upstream).record
    second = look(upkeep, upstream, first).record
    assert (second.behind, second.errors) == (first.behind, 2)
    gitea.brings = True
    third = look(upkeep, upstream, second).record
    assert (third.state, third.behind, third.errors, third.reason) == (MirrorState.VERIFIED, 0.0, 0, "")


def test_a_forced_push_is_bundled_first(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit, tmp_path: Path) -> None:
    lost = gitea.heads(NAME)["main"]
    new = upstream.rewrite("anvil")
    record = look(upkeep, upstream).record
    assert (record.state, gitea.heads(NAME)) == (MirrorState.VERIFIED, {"main": new})
    sh("clone", "--quiet", str(tmp_path / "store" / record.bundle), "back", at=tmp_path)
    assert sh("rev-parse", "main", at=tmp_path / "back") == lost


def test_a_blocked_forced_push_stays_out_and_says_which(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    old = gitea.heads(NAME)
    upstream.rewrite("anvil")
    record = upkeep.look(kept(upstream, ForcePushPolicy.BLOCK), None).record
    assert record.state is MirrorState.BLOCKED
    assert record.reason.startswith(f"a forced push at the source: main {old['main'][:12]} → ")
    assert gitea.heads(NAME) == old


def test_without_a_bundle_no_forced_push_is_brought(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    old = gitea.heads(NAME)
    upstream.rewrite("anvil")
    file = upkeep.store.root  # type: ignore[attr-defined]
    file.write_text("in the way of the store's directory")
    record = look(upkeep, upstream).record
    assert record.state is MirrorState.UNREACHABLE
    assert gitea.heads(NAME) == old


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("https://gitlab.example/a/b.git", MirrorState.REFUSED),
        ("{upstream}/nothing.git", MirrorState.GONE),
    ],
)
def test_a_source_that_cannot_be_asked_is_said_and_nothing_is_synced(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit, source: str, state: MirrorState
) -> None:
    mirror = replace(kept(upstream), source=source.format(upstream=upstream.server.url))
    assert upkeep.look(mirror, None).record.state is state
    assert not [asked for asked in gitea.asked if asked.startswith("POST")]


@pytest.mark.parametrize("asked", ["GET", "POST"])
def test_a_gitea_in_trouble_is_in_the_record(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit, asked: str) -> None:
    upstream.push("anvil", "two")
    gitea.trouble = lambda request: 500 * request.startswith(asked)
    record = look(upkeep, upstream).record
    assert record.state is MirrorState.UNREACHABLE
    assert "HTTP 500" in record.reason
