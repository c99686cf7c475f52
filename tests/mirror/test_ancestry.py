"""What a sync would lose is told by commits alone: those of the push, or all where they prove nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from raibid.git.cli import Git
from raibid.git.errors import TooLargeError
from raibid.git.rooms import Room, Rooms
from raibid.mirror import ancestry
from raibid.mirror.ancestry import History
from raibid.mirror.sides import Side

from tests.mirror.gitea_of_git import sh

# By HTTP's rules also for files: git copies a local repository otherwise, without leaving anything out.
FILES = Git({"protocol.file.allow": "always"})
LONG = 60
"""Commits of the repository's past, each with a file of its own."""


@dataclass(frozen=True)
class Two:
    """A source, where people work, and its mirror."""

    work: Path
    mirror: Path

    def commit(self, text: str) -> str:
        (self.work / f"file-{text}").write_text(text * 500)
        sh("add", ".", at=self.work)
        sh("commit", "--quiet", "--message", text, at=self.work)
        return sh("rev-parse", "HEAD", at=self.work)

    def at(self, ref: str) -> str:
        """A ref of the mirror."""
        return sh("rev-parse", ref, at=self.mirror)

    @property
    def sides(self) -> tuple[Side, Side]:
        return Side(f"file://{self.mirror}", FILES), Side(f"file://{self.work}", FILES)

    def kept(self, *commits: str, rooms: Rooms | None = None) -> set[str]:
        mirror, source = self.sides
        return ancestry.kept(commits, mirror, source, mirror.refs(), source.refs(), rooms or Rooms())


@pytest.fixture
def two(tmp_path: Path) -> Two:
    two = Two(tmp_path / "work", tmp_path / "mirror.git")
    two.work.mkdir()
    sh("init", "--quiet", at=two.work)
    sh("config", "uploadpack.allowFilter", "true", at=two.work)
    for number in range(LONG):
        two.commit(f"{number}")
    sh("tag", "v1", "HEAD~5", at=two.work)
    sh("tag", "--annotate", "--message", "noted", "v2", "HEAD~3", at=two.work)
    sh("branch", "topic", "HEAD~20", at=two.work)
    sh("clone", "--quiet", "--mirror", f"file://{two.work}", str(two.mirror), at=tmp_path)
    sh("config", "uploadpack.allowFilter", "true", at=two.mirror)
    return two


def objects(history: History) -> dict[str, int]:
    """Kinds of the objects that were fetched."""
    kinds = sh("cat-file", "--batch-check=%(objecttype)", "--batch-all-objects", at=history._at).splitlines()
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def test_an_ordinary_push_costs_its_own_commits_and_no_file(two: Two, tmp_path: Path) -> None:
    old = two.at("main")
    for text in ("new", "newer"):
        two.commit(text)
    (tmp_path / "room").mkdir()
    mirror, source = two.sides
    history = History(Room(tmp_path / "room", 10**6), mirror, source)
    history.fetch_newest(source.refs(), mirror.refs())
    assert set(history.kept([old])) == {old}
    assert objects(history) == {"commit": 4}  # two new ones, and the mirror's tips: main's and topic's


def test_all_commits_come_without_a_file(two: Two, tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    history = History(Room(tmp_path / "room", 10**6), *two.sides)
    history.fetch_all()
    assert objects(history) == {"commit": LONG, "tag": 1}


def test_a_forced_push_keeps_nothing_of_what_it_rewrote(two: Two) -> None:
    old = two.at("main")
    sh("commit", "--quiet", "--amend", "--message", "rewritten", at=two.work)
    assert two.kept(old) == set()


def test_a_branch_that_is_removed_long_after_it_was_merged_is_kept(two: Two) -> None:
    old = two.at("topic")
    sh("branch", "--quiet", "-D", "topic", at=two.work)
    assert two.kept(old) == {old}


def test_a_tag_that_moved_is_kept_while_its_commit_is_in_a_branch(two: Two) -> None:
    light, noted = two.at("v1"), two.at("v2")
    for tag in ("v1", "v2"):
        sh("tag", "--force", tag, "HEAD", at=two.work)
    assert two.kept(light, noted) == {light, noted}


def test_what_is_only_in_a_tag_of_the_source_is_kept(two: Two) -> None:
    sh("checkout", "--quiet", "--detach", at=two.work)
    aside = two.commit("aside")
    sh("tag", "aside", at=two.work)
    sh("fetch", "--quiet", f"file://{two.work}", f"{aside}:refs/heads/aside", at=two.mirror)
    assert two.kept(aside) == {aside}


def test_each_of_many_branches_is_told_apart(two: Two) -> None:
    for number in range(30):
        sh("branch", f"b{number}", f"HEAD~{number}", at=two.work)
    sh("fetch", "--quiet", "--prune", "origin", at=two.mirror)
    sh("checkout", "--quiet", "b0", at=two.work)
    sh("commit", "--quiet", "--amend", "--message", "rewritten", at=two.work)
    olds = [two.at(f"b{number}") for number in range(30)]
    for number in range(1, 30):
        sh("branch", "--quiet", "-D", f"b{number}", at=two.work)
    sh("branch", "--quiet", "--force", "main", "HEAD", at=two.work)
    assert two.kept(*olds) == set(olds[1:])


def test_a_repository_whose_commits_are_more_than_there_is_room_for_is_too_large(two: Two) -> None:
    sh("commit", "--quiet", "--amend", "--message", "rewritten", at=two.work)
    with pytest.raises(TooLargeError):
        two.kept(two.at("main"), rooms=Rooms(most=2000))
