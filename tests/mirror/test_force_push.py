"""A forced push at the source loses nothing that a bundle does not have, and nobody is asked more than needed."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.mirror.bundle import Scratch
from raibid.mirror.errors import GitError
from raibid.mirror.force_push import Decision, ForcePushPolicy, Heads, Loss, Step, decide, losses
from raibid.mirror.git import Git
from raibid.store.filesystem import FileStore

AT = datetime(2026, 11, 21, 20, 15, tzinfo=UTC)
FILES = Git({"protocol.file.allow": "always"})


def linear(old: str, new: str) -> bool:
    """Commits are numbers; a higher one descends from a lower one of the same letter."""
    return old[0] == new[0] and int(old[1:]) <= int(new[1:])


def step(policy: ForcePushPolicy, source: Heads, mirror: Heads) -> Step:
    return decide(policy, source, mirror, linear).step


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
    assert losses({"main": "a1"}, {"main": "a1", "topic": "b3"}, linear) == [Loss("topic", "b3", "")]
    assert losses({"main": "a9"}, {"main": "a1", "topic": "a5"}, linear) == []


def test_a_renamed_branch_loses_nothing() -> None:
    assert losses({"trunk": "a1"}, {"main": "a1"}, linear) == []


def test_the_reason_names_the_branch_and_both_commits() -> None:
    decision = decide(ForcePushPolicy.BLOCK, {"main": "b1"}, {"main": "a1", "old": "c1"}, linear)
    assert decision.reason == "a forced push at the source: main a1 → b1; old c1 → gone"
    assert Decision(Step.SYNC).reason == ""


COMMITS = st.builds(lambda letter, number: f"{letter}{number}", st.sampled_from("abc"), st.integers(1, 5))
HEADS = st.dictionaries(st.sampled_from(["main", "topic", "dev"]), COMMITS)


@given(HEADS, HEADS)
def test_what_is_not_lost_is_in_some_branch_of_the_source(source: dict[str, str], mirror: dict[str, str]) -> None:
    lost = {loss.branch for loss in losses(source, mirror, linear)}
    for branch, old in mirror.items():
        assert (branch in lost) == (not any(linear(old, head) for head in source.values()))


@given(HEADS, HEADS)
def test_only_always_keeps_a_bundle_of_a_sync_that_loses_nothing(
    source: dict[str, str], mirror: dict[str, str]
) -> None:
    keeps = {policy: step(policy, source, mirror) is Step.BUNDLE for policy in ForcePushPolicy}
    lost = bool(losses(source, mirror, linear))
    assert keeps[ForcePushPolicy.ON_FORCE_PUSH] == lost
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


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    (tmp_path / "scratch").mkdir()
    return Scratch(tmp_path / "scratch", FILES, FILES)


def test_the_bundle_brings_back_what_the_forced_push_threw_away(
    source: Path, mirror: Path, scratch: Scratch, tmp_path: Path
) -> None:
    lost = sh("rev-parse", "main", at=mirror)
    sh("commit", "--quiet", "--amend", "--message", "rewritten", at=source)
    scratch.fetch_mirror(str(mirror))
    scratch.fetch_source(str(source))
    heads = FILES.heads(str(source)), FILES.heads(str(mirror))
    assert decide(ForcePushPolicy.ON_FORCE_PUSH, *heads, scratch.descends).step is Step.BUNDLE

    store = FileStore(tmp_path / "store")
    kept = scratch.keep("acme/anvil", store, now=AT)

    assert kept.key == f"mirrors/acme/anvil/20261121T201500Z-{kept.sha256[:12]}.bundle"
    with store.get(kept.key) as stream:
        content = stream.read()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (kept.sha256, kept.size)
    (tmp_path / "back.bundle").write_bytes(content)
    sh("clone", "--quiet", str(tmp_path / "back.bundle"), "back", at=tmp_path)
    assert sh("rev-parse", "main", at=tmp_path / "back") == lost
    assert sh("tag", at=tmp_path / "back") == "v1"
    assert (tmp_path / "back" / "file").read_text() == "one"


def test_an_ordinary_push_descends_from_what_the_mirror_has(source: Path, mirror: Path, scratch: Scratch) -> None:
    commit(source, "two")
    scratch.fetch_mirror(str(mirror))
    scratch.fetch_source(str(source))
    heads = FILES.heads(str(source)), FILES.heads(str(mirror))
    assert decide(ForcePushPolicy.BLOCK, *heads, scratch.descends) == Decision(Step.SYNC)


def test_an_empty_mirror_has_nothing_to_keep(scratch: Scratch, tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"git bundle failed"):
        scratch.keep("acme/anvil", FileStore(tmp_path / "store"))


def test_a_failure_of_gits_is_one_line_without_credentials() -> None:
    with pytest.raises(GitError) as failed:
        Git().heads("https://user:secret@127.0.0.1:1/a/b")
    assert "secret" not in str(failed.value)
    assert "\n" not in str(failed.value)


def test_no_argument_and_no_setting_of_git_holds_the_token(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("https://user:topsecret@127.0.0.1\n")
    asked = subprocess.run(
        ["git", "credential", "fill"],
        input="protocol=https\nhost=127.0.0.1\n\n",
        env=Git(credentials=file)._environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "password=topsecret" in asked.stdout
    assert "topsecret" not in str(Git(credentials=file)._environment())


def test_a_refused_credential_is_not_erased_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("https://user:topsecret@127.0.0.1\n")
    told = "protocol=https\nhost=127.0.0.1\nusername=user\npassword=topsecret\n\n"
    subprocess.run(
        ["git", "credential", "reject"], input=told, env=Git(credentials=file)._environment(), text=True, check=True
    )
    assert file.read_text() == "https://user:topsecret@127.0.0.1\n"
