"""A mirror is verified when both sides have the same branches and tags, and never because somebody said so."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.git.errors import StoppedError
from raibid.git.rooms import Rooms
from raibid.mirror.force_push import ForcePushPolicy
from raibid.mirror.guard import AllowedHost, Guard
from raibid.mirror.kept import Kept
from raibid.mirror.sides import Sides
from raibid.mirror.tokens import Tokens
from raibid.mirror.upkeep import Look, Upkeep
from raibid.model.mirror import MirrorRecord, MirrorState
from raibid.store.filesystem import FileStore

from tests.mirror.gitea_of_git import GiteaOfGit, Upstream, sh

NAME = "acme/anvil"


@pytest.fixture
def upkeep(tmp_path: Path, upstream: Upstream, gitea: GiteaOfGit) -> Iterator[Upkeep]:
    host, port = upstream.host
    allowed = AllowedHost(name=host, port=port, schemes=frozenset({"http"}), private=True)
    with GiteaMirrors.connect(gitea.url, gitea.credentials(tmp_path / "credentials"), tries=0) as client:
        sides = Sides(
            gitea_url=gitea.url, credentials=tmp_path / "credentials", guard=Guard([allowed]), tokens=Tokens()
        )
        yield Upkeep(
            sides=sides,
            gitea=client,
            store=FileStore(tmp_path / "store"),
            rooms=Rooms(stop=sides.closing),
            patience=0.5,
        )


def kept(upstream: Upstream, policy: ForcePushPolicy = ForcePushPolicy.ON_FORCE_PUSH) -> Kept:
    return Kept(name=NAME, source=upstream.url("anvil"), policy=policy)


def look(upkeep: Upkeep, upstream: Upstream, before: MirrorRecord | None = None) -> Look:
    return upkeep.look(kept(upstream), before)


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
    record = upkeep.sides.compare(kept(upstream), None)
    assert record.state is MirrorState.BEHIND
    assert record.reason == "1 of 1 refs differ: main"
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


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (f"GET /{NAME}.git/info/refs", "The requested URL returned error: 500"),
        (f"POST /api/v1/repos/{NAME}/mirror-sync", "HTTP 500"),
    ],
)
def test_a_gitea_in_trouble_is_in_the_record(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit, asked: str, words: str
) -> None:
    upstream.push("anvil", "two")
    gitea.trouble = lambda request: 500 * request.startswith(asked)
    record = look(upkeep, upstream).record
    assert record.state is MirrorState.UNREACHABLE
    assert words in record.reason


def test_a_mirror_that_gitea_does_not_show_us_is_not_gone_at_the_source(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit
) -> None:
    gitea.trouble = lambda request: 404 * request.startswith(f"GET /{NAME}.git")
    record = look(upkeep, upstream).record
    assert record.state is MirrorState.UNREACHABLE
    assert record.reason.startswith("Gitea: ")


def tag(upstream: Upstream, *how: str) -> None:
    """`git tag`, pushed as it is then."""
    work = upstream.server.root / "anvil.work"
    sh("tag", *how, at=work)
    sh("push", "--quiet", "--force", "--prune", str(upstream.server.root / "anvil.git"), "refs/tags/*", at=work)


def test_a_tag_alone_is_brought(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    tag(upstream, "v1")
    found = look(upkeep, upstream)
    assert (found.record.state, found.moved, found.record.branches) == (MirrorState.VERIFIED, True, 1)
    assert set(gitea.refs(NAME)) == {"refs/heads/main", "refs/tags/v1"}


def test_a_tag_that_is_missing_is_a_difference(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    gitea.brings = False
    tag(upstream, "v1")
    assert look(upkeep, upstream).record.reason.endswith("1 of 2 refs differ: tags/v1")


@pytest.mark.parametrize("how", [("--force", "v1", "main"), ("--delete", "v1")], ids=["moved", "removed"])
def test_a_tag_that_takes_its_commit_along_is_bundled_first_and_blocked_where_so_asked(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit, tmp_path: Path, how: tuple[str, ...]
) -> None:
    work = upstream.server.root / "anvil.work"
    lost = sh("commit-tree", "-m", "on no branch", "HEAD^{tree}", at=work)
    tag(upstream, "v1", lost)
    look(upkeep, upstream)
    tag(upstream, *how)
    blocked = upkeep.look(kept(upstream, ForcePushPolicy.BLOCK), None).record
    assert (blocked.state, gitea.refs(NAME)["refs/tags/v1"]) == (MirrorState.BLOCKED, lost)
    record = look(upkeep, upstream).record
    assert (record.state, gitea.refs(NAME).get("refs/tags/v1") != lost) == (MirrorState.VERIFIED, True)
    sh("clone", "--quiet", str(tmp_path / "store" / record.bundle), "back", at=tmp_path)
    assert sh("rev-parse", "v1", at=tmp_path / "back") == lost


def test_a_hundred_branches_are_one_question_for_each_side(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit
) -> None:
    work = upstream.server.root / "anvil.work"
    lines = "".join(f"create refs/heads/b{number} HEAD\n" for number in range(100))
    sh("update-ref", "--stdin", at=work, lines=lines)
    sh("push", "--quiet", "--all", str(upstream.server.root / "anvil.git"), at=work)
    assert look(upkeep, upstream).record.branches == 101
    gitea.fetched.clear()
    assert look(upkeep, upstream).record.state is MirrorState.VERIFIED
    assert [request.split("?")[0] for request in gitea.fetched] == [
        f"GET /{NAME}.git/info/refs",
        f"POST /{NAME}.git/git-upload-pack",
    ]


def test_a_forced_push_of_a_repository_that_is_too_large_is_not_brought_and_says_so(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit
) -> None:
    old = gitea.heads(NAME)
    upstream.rewrite("anvil")
    record = replace(upkeep, rooms=Rooms(most=1000)).look(kept(upstream), None).record
    assert (record.state, gitea.heads(NAME)) == (MirrorState.TOO_LARGE, old)
    assert record.reason == "it needs more than the 0.001 MB that there are for it"


def test_an_ordinary_push_to_a_large_repository_needs_no_room_for_it(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit
) -> None:
    upstream.push("anvil", random.Random(17).randbytes(300_000).hex())
    look(upkeep, upstream)
    narrow = replace(upkeep, rooms=Rooms(most=250_000))
    sha = upstream.push("anvil", "two")
    assert narrow.look(kept(upstream), None).record.state is MirrorState.VERIFIED
    assert gitea.heads(NAME) == {"main": sha}
    upstream.rewrite("anvil")
    record = narrow.look(kept(upstream), None).record
    assert (record.state, gitea.heads(NAME)) == (MirrorState.TOO_LARGE, {"main": sha})  # its bundle has no room


def test_a_mirror_that_no_entry_asks_for_is_compared_and_not_synced(
    upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit
) -> None:
    upstream.push("anvil", "two")
    record = upkeep.look(replace(kept(upstream), synced=False), None).record
    assert record.state is MirrorState.BEHIND
    assert record.reason.startswith("no entry of the file asks for it")
    assert not [asked for asked in gitea.asked if asked.startswith("POST")]


def test_a_look_that_is_ended_says_nothing_of_the_mirror(upkeep: Upkeep, upstream: Upstream, gitea: GiteaOfGit) -> None:
    gitea.brings = False
    upstream.push("anvil", "two")

    def end(request: str) -> int:
        if "mirror-sync" in request:
            upkeep.sides.closing.set()
        return 0

    gitea.trouble = end
    with pytest.raises(StoppedError):
        look(upkeep, upstream)


def test_a_full_disk_is_in_the_record(
    upkeep: Upkeep, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    upstream.rewrite("anvil")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nothing"))
    record = look(upkeep, upstream).record
    assert (record.state, record.reason) == (MirrorState.UNREACHABLE, "No such file or directory")


def test_the_seconds_of_a_sync_count_from_the_wish(upkeep: Upkeep, upstream: Upstream) -> None:
    upstream.push("anvil", "two")
    record = upkeep.look(kept(upstream), None, since=time.time() - 100).record
    assert 100 < record.seconds < 130
