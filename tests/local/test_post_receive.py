"""The hook: what it sends is what Gitea would send, and what the pool's own parser understands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from raibid.forge import gitea
from raibid.local.git import git
from raibid.local.post_receive import RefUpdate, payload, ref_updates
from raibid.model.push_event import PushEvent

ZEROS = "0" * 40
WHO = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false"]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Three commits on main: README added; changed, and a name with blanks added; README removed."""
    work = tmp_path / "work"
    work.mkdir()

    def commit(message: str) -> None:
        git("add", "--all", at=work)
        git(*WHO, "commit", "--quiet", "-m", message, at=work)

    git("init", "--quiet", "--initial-branch=main", at=work)
    (work / "README").write_text("1")
    commit("one")
    (work / "README").write_text("2")
    (work / "späte größe.txt").write_text("x")
    commit("two\n\nwith a body")
    (work / "README").unlink()
    commit("three")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(work), str(tmp_path / "bare.git")], check=True)
    return tmp_path / "bare.git"


def event(bare: Path, update: RefUpdate) -> PushEvent:
    body = msgspec.json.encode(payload(bare, "acme/anvil", update))
    parsed = gitea.parse({"x-gitea-event": "push"}, body)
    assert parsed
    return parsed


def commits(bare: Path) -> list[str]:
    return git("rev-list", "--reverse", "main", at=bare).splitlines()


def test_a_push_lists_what_its_commits_changed(bare: Path) -> None:
    first, _, last = commits(bare)
    got = event(bare, RefUpdate(first, last, "refs/heads/main"))
    assert got.changed == ("README", "späte größe.txt")
    assert got.message == "three\n"
    assert got.clone_url == bare.as_uri()
    assert got.default_branch == "main"


def test_a_new_branch_brings_its_own_commits_though_its_ref_exists_already(bare: Path) -> None:
    last = commits(bare)[-1]
    sent = payload(bare, "acme/anvil", RefUpdate(ZEROS, last, "refs/heads/main"))
    assert sent["total_commits"] == 3
    assert sent["head_commit"]["message"] == "three\n"


def test_a_deleted_branch_has_no_commits(bare: Path) -> None:
    assert event(bare, RefUpdate(commits(bare)[-1], ZEROS, "refs/heads/gone")).deletes


def test_a_long_push_says_how_many_commits_it_does_not_list(bare: Path) -> None:
    tree, tip = git("rev-parse", "main^{tree}", at=bare), commits(bare)[-1]
    before = tip
    for number in range(7):
        tip = git(*WHO, "commit-tree", tree, "-p", tip, "-m", f"n{number}", at=bare)
    sent = payload(bare, "acme/anvil", RefUpdate(before, tip, "refs/heads/main"))
    assert sent["total_commits"] == 7
    assert len(sent["commits"]) == 5
    assert event(bare, RefUpdate(before, tip, "refs/heads/main")).changed is None


def test_the_hooks_input_is_a_line_per_ref() -> None:
    lines = [f"{ZEROS} {'a' * 40} refs/heads/a b\n", f"{'b' * 40} {ZEROS} refs/tags/v1\n"]
    assert [update.ref for update in ref_updates(lines)] == ["refs/heads/a b", "refs/tags/v1"]
