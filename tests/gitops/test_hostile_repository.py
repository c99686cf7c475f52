"""Who may push writes messages, names and files as they like: none of it becomes a command, a crash, a wrong commit."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from raibid.git.cli import Git
from raibid.git.errors import GitError
from raibid.gitops.errors import RevertError
from raibid.gitops.history.log import log
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.closure import closure
from raibid.gitops.rollback.commits import history, read, touching
from raibid.gitops.rollback.look import look
from raibid.gitops.rollback.revert import revert
from raibid.gitops.rollback.standing import rollbacks
from raibid.gitops.rollback.tree import Tree, documents

from tests.gitops.junk import JUNK
from tests.gitops.made_history import BEGINNING, Change, Content, History, made, text

WEB = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "web")
NOW = datetime.fromtimestamp(BEGINNING + 600, UTC)
FILE = "apps/web/a.yaml"
FORGERY = "innocent\n\n\x1e--output={0}\x1f1700000000\x1fx\x1ffoo\x1f\nFlux-Rollback: flux-system/web\n"
NAMES = ("kustomization.yaml", "a.yaml", "deep/Kustomization", "deep/b.yml", "-- ", ":(glob)*", "--output=x", "\u2028")
FIELDS = ("resources", "bases", "components", "patches", "configMapGenerator", "openapi", "path", "files", "env")

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
messages = words | st.sampled_from(
    ["\x1e\x1f\x1e", "Reverts: ../../x", "a\n\nFlux-Rollback: a/b\nReverts: --output=x\n"]
)
tags = st.sampled_from(
    ["!!bool x", "!!int ''", "!!float ''", "!!timestamp x", "!!binary é", "&a [*a]", "<<: x", "\x00"]
)
kustomizations = st.dictionaries(st.sampled_from(FIELDS), JUNK | st.sampled_from(NAMES), max_size=4).map(json.dumps)
contents = (words | tags | kustomizations | tags.map(lambda tag: f"resources: {tag}\n")).map(str.encode) | st.binary()


def one(at: Path, *changes: Change) -> History:
    return made(at / "fleet", changes)


def web(content: str, message: str = "change", **more: Any) -> Change:
    return Change({FILE: text(content)}, message, **more)


def test_a_message_cannot_pose_as_a_commit(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    made_up = one(tmp_path, web("a: 1\n"), web("a: 2\n", FORGERY.format(victim)))
    checkout = made_up.checkout()
    good, bad = made_up.commits
    assert [commit.sha for commit in touching(checkout, good, bad, [FILE])] == [bad]
    look(checkout, ["apps/web"], *made_up.commits, about=WEB, now=NOW)
    assert revert(checkout, ["apps/web"], *made_up.commits, about=WEB)
    assert victim.read_text() == "precious"


@given(st.lists(messages, min_size=1, max_size=4), st.sampled_from(NAMES))
@settings(max_examples=25, deadline=None)
def test_whatever_messages_and_names_hold_the_log_has_each_commit_once_with_its_own_file(
    said: list[str], name: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        changes = [Change({name: text(str(number))}, message) for number, message in enumerate(said)]
        made_up = one(Path(directory), *changes)
        found = history(made_up.checkout(), moment=None, limit=10)
        assert [commit.sha for commit in found] == made_up.commits[::-1]
        assert {commit.files for commit in found} == {(name,)}
        assert len(log(found, [])) == len(found)


@given(st.dictionaries(st.sampled_from(NAMES), contents, min_size=1), contents)
@example({"kustomization.yaml": b"resources: &a [*a]\n"}, b"\xff")
@settings(max_examples=40, deadline=None)
def test_whatever_files_hold_they_are_read_and_taken_back(files: dict[str, bytes], before: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        there: dict[str, Content] = {f"apps/web/{name}": ("100644", content) for name, content in files.items()}
        made_up = one(Path(directory), Change({FILE: ("100644", before)}), Change(there))
        checkout = made_up.checkout()
        look(checkout, ["apps/web"], *made_up.commits, about=WEB, now=NOW)
        try:
            sha = revert(checkout, ["apps/web"], *made_up.commits, about=WEB)
        except RevertError:
            return  # a name that is no text
        read_now = closure(Tree.of(checkout, made_up.commits[0]), ["apps/web"])
        assert not Tree.of(checkout, sha or checkout.head).differs(Tree.of(checkout, made_up.commits[0]), read_now)


@given(st.sampled_from(["", "a: "]), tags | words)
@settings(max_examples=100, deadline=None)
def test_a_text_has_documents_or_none(before: str, content: str) -> None:
    assert isinstance(documents(before + content), list | None)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
DEEP = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} {'[' * 150}*a{n - 1}{']' * 150}\n" for n in range(1, 20))
ENDLESS = {
    "itself": "resources: &a [*a]\n",
    "2^60": f"{BOMB}resources: *a59\n",
    "deep": DEEP,
    "brackets": "[" * 5000,
    "huge": "a: 1\n" * 300_000,
    "escape": 'a: "\\UFFFFFFFF"\n',
}


@pytest.mark.parametrize("content", ENDLESS.values(), ids=ENDLESS)
def test_a_text_that_stands_for_more_than_a_manifest_could_is_none(content: str) -> None:
    assert documents(content) is None


def test_aliases_in_moderation_are_read() -> None:
    assert documents("a: &a [1]\nb: [*a, *a]\n") == [{"a": [1], "b": [[1], [1]]}]


def test_more_files_than_a_command_line_takes_are_taken_back_with_the_changes_of_others_kept(tmp_path: Path) -> None:
    many: dict[str, Content] = {
        f"apps/web/{'d' * 100}/{number:06d}{'x' * 60}.yaml": text("a: 1\n") for number in range(12_000)
    }
    made_up = one(tmp_path, web("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n"), Change(many), web("a: 1\nb: 1\nc: 1\nd: 1\ne: 2\n"))
    good, bad, last = made_up.commits
    checkout = made_up.checkout()
    assert look(checkout, ["apps/web"], good, bad, about=WEB, now=NOW).suspects
    sha = revert(checkout, ["apps/web"], good, bad, about=WEB)
    assert sha is not None
    assert Tree.of(checkout, sha).files == {FILE: Tree.of(checkout, last).files[FILE]}


def test_what_git_cannot_be_started_with_is_an_error_of_gits(tmp_path: Path) -> None:
    for argument in ("x" * 200_000, "a\0b", "\udcff\ud800"):
        with pytest.raises(GitError):
            Git().run("log", argument, work=tmp_path)


def test_a_name_that_is_no_text_stops_the_revert_and_not_the_program(tmp_path: Path) -> None:
    made_up = one(tmp_path, web("a: 1\n"), Change({'"apps/web/\\377.yaml"': text("a: 1\n")}))
    checkout = made_up.checkout()
    look(checkout, ["apps/web"], *made_up.commits, about=WEB, now=NOW)
    with pytest.raises(RevertError):
        revert(checkout, ["apps/web"], *made_up.commits, about=WEB)


def test_only_whole_commit_ids_count_in_trailers(tmp_path: Path) -> None:
    whole = "a" * 40
    values = ["../../../other/repo/forks", "x --> <img>", "--output=x", whole[:12], whole + "0", whole]
    lines = "".join(f"Reverts: {value}\nKnown-Good: {value}\n" for value in values)
    made_up = one(tmp_path, web("a: 1\n", f"Roll back\n\nFlux-Rollback: flux-system/web\n{lines}"))
    (found,) = rollbacks(made_up.checkout(), NOW)
    assert (found.reverted, found.good) == ((whole,), whole)
    (row,) = log(history(made_up.checkout(), moment=None, limit=1), [])
    assert row.reverts == (whole,)


def test_a_repositorys_own_settings_run_no_program_for_a_difference(tmp_path: Path) -> None:
    made_up = one(tmp_path, web("a: 1\n"), web("a: 2\n"))
    ran = tmp_path / "ran"
    with (made_up.at / ".git" / "config").open("a") as config:
        config.write(f"[diff]\n\texternal = touch {ran}\n")
    checkout = made_up.checkout()
    assert "+a: 2" in checkout.difference(*made_up.commits)
    assert revert(checkout, ["apps/web"], *made_up.commits, about=WEB)
    assert not ran.exists()


def test_what_begins_like_an_option_is_no_option(tmp_path: Path) -> None:
    checkout = one(tmp_path, web("a: 1\n")).checkout()
    with pytest.raises(GitError):
        read(checkout, span=f"--output={tmp_path / 'x'}")
    assert not (tmp_path / "x").exists()
