"""A forced push at the source loses nothing that a bundle does not have, and nobody is asked more than needed."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.git.cli import Git
from raibid.git.errors import GitError, TooLargeError
from raibid.git.rooms import Room
from raibid.mirror import bundle
from raibid.mirror.force_push import Decision, ForcePushPolicy, Heads, Kept, Loss, Step, decide, losses
from raibid.mirror.sides import Side
from raibid.store.filesystem import FileStore

AT = datetime(2026, 11, 21, 20, 15, tzinfo=UTC)
MAIN, V1 = "refs/heads/main", "refs/tags/v1"
FILES = Git({"protocol.file.allow": "always"})


def linear(source: Heads) -> Kept:
    """Commits are numbers; a higher one descends from a lower one of the same letter."""

    def kept(commits: Collection[str]) -> set[str]:
        heads = set(source.values())
        return {old for old in commits if any(old[0] == head[0] and int(old[1:]) <= int(head[1:]) for head in heads)}

    return kept


def step(policy: ForcePushPolicy, source: Heads, mirror: Heads) -> Step:
    return decide(policy, source, mirror, linear(source)).step


def lost(source: Heads, mirror: Heads) -> list[Loss]:
    return losses(source, mirror, linear(source))


@pytest.mark.parametrize("policy", ForcePushPolicy)
def test_equal_sides_need_nothing(policy: ForcePushPolicy) -> None:
    assert step(policy, {"main": "a1"}, {"main": "a1"}) is Step.NOTHING


@pytest.mark.parametrize(
    ("policy", "forward", "forced"),
    [
        (ForcePushPolicy.ALWAYS, Step.BUNDLE, Step.BUNDLE),
        (ForcePushPolicy.ON_FORCE_PUSH, Step.SYNC, Step.BUNDLE),
        (ForcePushPolicy.BLOCK, Step.SYNC, Step.REFUSE),
    ],
)
def test_each_policy_at_a_forward_and_at_a_forced_push(policy: ForcePushPolicy, forward: Step, forced: Step) -> None:
    assert step(policy, {"main": "a2"}, {"main": "a1"}) is forward
    assert step(policy, {"main": "b1"}, {"main": "a1"}) is forced


def test_a_removed_branch_loses_its_commits_unless_another_branch_has_them() -> None:
    assert lost({"main": "a1"}, {"main": "a1", "topic": "b3"}) == [Loss("topic", "b3", "")]
    assert lost({"main": "a9"}, {"main": "a1", "topic": "a5"}) == []


def test_a_renamed_branch_loses_nothing() -> None:
    assert lost({"trunk": "a1"}, {"main": "a1"}) == []


def test_a_tag_that_moved_along_a_branch_loses_nothing_and_one_that_was_on_none_does() -> None:
    assert lost({MAIN: "a9", V1: "a9"}, {MAIN: "a1", V1: "a1"}) == []
    assert lost({MAIN: "a9", V1: "a9"}, {MAIN: "a1", V1: "b1"}) == [Loss(V1, "b1", "a9")]
    assert lost({MAIN: "a1"}, {MAIN: "a1", V1: "b1"}) == [Loss(V1, "b1", "")]


def test_nobody_is_asked_about_a_push_that_only_makes_refs() -> None:
    def never(commits: Collection[str]) -> set[str]:
        raise AssertionError(f"{commits} were asked about")

    assert decide(ForcePushPolicy.BLOCK, {MAIN: "a1", V1: "a1"}, {MAIN: "a1"}, never).step is Step.SYNC


def test_the_reason_names_the_branch_and_both_commits() -> None:
    source, mirror = {MAIN: "b1"}, {MAIN: "a1", "refs/heads/old": "c1", V1: "c2"}
    decision = decide(ForcePushPolicy.BLOCK, source, mirror, linear(source))
    assert decision.reason == "a forced push at the source: main a1 → b1; old c1 → gone; tags/v1 c2 → gone"
    assert Decision(Step.SYNC).reason == ""


COMMITS = st.builds(lambda letter, number: f"{letter}{number}", st.sampled_from("abc"), st.integers(1, 5))
HEADS = st.dictionaries(st.sampled_from(["main", "topic", "dev"]), COMMITS)


@given(HEADS, HEADS)
def test_what_is_not_lost_is_in_some_ref_of_the_source(source: dict[str, str], mirror: dict[str, str]) -> None:
    gone = {loss.ref for loss in lost(source, mirror)}
    for ref, old in mirror.items():
        assert (ref in gone) == (old not in linear(source)([old]))


@given(HEADS, HEADS)
def test_only_always_keeps_a_bundle_of_a_sync_that_loses_nothing(
    source: dict[str, str], mirror: dict[str, str]
) -> None:
    keeps = {policy: step(policy, source, mirror) is Step.BUNDLE for policy in ForcePushPolicy}
    assert keeps[ForcePushPolicy.ON_FORCE_PUSH] == bool(lost(source, mirror))
    assert not keeps[ForcePushPolicy.BLOCK]
    assert keeps[ForcePushPolicy.ALWAYS] == (source != mirror)


def sh(*command: str, at: Path) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.test", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *identity, *command], cwd=at, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(at: Path, text: str) -> str:
    (at / "file").write_text(text)
    sh("add", ".", at=at)
    sh("commit", "--quiet", "--message", text, at=at)
    return sh("rev-parse", "HEAD", at=at)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    place = tmp_path / "source"
    place.mkdir()
    sh("init", "--quiet", at=place)
    commit(place, "one")
    sh("tag", "v1", at=place)
    return place


@pytest.fixture
def mirror(source: Path, tmp_path: Path) -> Path:
    sh("clone", "--quiet", "--mirror", str(source), str(tmp_path / "mirror.git"), at=tmp_path)
    return tmp_path / "mirror.git"


def side(at: Path) -> Side:
    return Side(str(at), FILES)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    (tmp_path / "room").mkdir()
    return Room(tmp_path / "room", 1_000_000)


def test_the_bundle_brings_back_what_the_forced_push_threw_away(
    source: Path, mirror: Path, room: Room, tmp_path: Path
) -> None:
    lost = sh("rev-parse", "main", at=mirror)
    sh("commit", "--quiet", "--amend", "--message", "rewritten", at=source)

    store = FileStore(tmp_path / "store")
    kept = bundle.keep(side(mirror), room, "acme/anvil", store, now=AT)

    assert kept.key == f"mirrors/acme/anvil/20261121T201500Z-{kept.sha256[:12]}.bundle"
    with store.get(kept.key) as stream:
        content = stream.read()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (kept.sha256, kept.size)
    (tmp_path / "back.bundle").write_bytes(content)
    sh("clone", "--quiet", str(tmp_path / "back.bundle"), "back", at=tmp_path)
    assert sh("rev-parse", "main", at=tmp_path / "back") == lost
    assert sh("tag", at=tmp_path / "back") == "v1"
    assert (tmp_path / "back" / "file").read_text() == "one"


def test_an_empty_mirror_has_nothing_to_keep(room: Room, tmp_path: Path) -> None:
    sh("init", "--quiet", "--bare", "empty.git", at=tmp_path)
    with pytest.raises(GitError, match=r"git bundle failed"):
        bundle.keep(side(tmp_path / "empty.git"), room, "acme/anvil", FileStore(tmp_path / "store"))


def test_a_mirror_that_is_larger_than_its_room_is_not_kept(mirror: Path, room: Room, tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match=r"more than the 0\.01 MB"):
        bundle.keep(side(mirror), replace(room, most=10_000), "acme/anvil", FileStore(tmp_path / "store"))
    assert not (tmp_path / "store" / "mirrors").exists()
