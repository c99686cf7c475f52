"""The revert, on real repositories: it takes back what one applier reads, and nothing else."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raibid.gitops.change.message import trailers_of
from raibid.gitops.errors import RevertError
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.closure import closure
from raibid.gitops.rollback.revert import Why, revert, revert_commits
from raibid.gitops.rollback.tree import Tree

from tests.gitops.made_history import Change, Content, made, text

WEB = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "web")
PATHS = ("./apps/web",)
FIRST = Change(
    {
        "apps/web/kustomization.yaml": text("resources: [a.yaml, b.yaml, ../base]\n"),
        "apps/web/a.yaml": text("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n"),
        "apps/web/b.yaml": text("b: 1\n"),
        "apps/base/kustomization.yaml": text("resources: [c.yaml]\n"),
        "apps/base/c.yaml": text("c: 1\n"),
        "apps/other/x.yaml": text("x: 1\n"),
        "README.md": text("read me\n"),
    }
)
INSIDE = [
    *("apps/web/kustomization.yaml", "apps/web/a.yaml", "apps/web/b.yaml", "apps/web/new.yaml"),
    *("apps/base/c.yaml", "apps/web/deep/d.yaml"),
]
OUTSIDE = ["apps/other/x.yaml", "README.md", "apps/web/notes.txt", "apps/other/new.yaml"]
contents = st.one_of(
    st.none(),
    st.tuples(st.sampled_from(["100644", "100755"]), st.binary(max_size=40)),
    st.tuples(st.just("120000"), st.just(b"a.yaml")),
)
kustomizations = st.lists(st.sampled_from(["a.yaml", "b.yaml", "new.yaml", "deep", "../base"]), max_size=5).map(
    lambda names: text(json.dumps({"resources": names}))
)


def changes_of(paths: list[str]) -> st.SearchStrategy[dict[str, Content]]:
    return st.dictionaries(st.sampled_from(paths), contents, min_size=1, max_size=4).flatmap(
        lambda files: (
            kustomizations.map(lambda kept: {**files, "apps/web/kustomization.yaml": kept})
            if "apps/web/kustomization.yaml" in files
            else st.just(files)
        )
    )


commits = st.lists(st.builds(Change, changes_of(INSIDE + OUTSIDE), merged=st.booleans()), min_size=1, max_size=4)


@settings(max_examples=40)
@given(bad=commits, later=st.lists(st.builds(Change, changes_of(OUTSIDE), merged=st.booleans()), max_size=2))
def test_the_revert_of_any_change_restores_what_is_read_byte_for_byte_and_leaves_the_rest(
    bad: list[Change], later: list[Change]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        history = made(Path(place) / "fleet", [FIRST, *bad, *later])
        checkout, good = history.checkout(), history.commits[0]
        before, newest = Tree.of(checkout, good), Tree.of(checkout, history.commits[-1])
        reached = closure(before, PATHS) | closure(Tree.of(checkout, history.commits[len(bad)]), PATHS)
        sha = revert(checkout, PATHS, good, history.commits[len(bad)], about=WEB)
        after = Tree.of(checkout, sha or history.commits[-1])
        assert after.only(reached) == before.only(reached)
        others = set(newest.files) | set(after.files)
        assert after.only(others - reached) == newest.only(others - reached)
        if sha:
            assert checkout.git("rev-parse", f"{sha}^@").split() == [history.commits[-1]]
            assert not checkout.git("status", "--porcelain")


@settings(max_examples=25)
@given(bad=changes_of(["apps/web/a.yaml", "apps/base/c.yaml"]), later=changes_of(["apps/web/b.yaml", "README.md"]))
def test_what_a_later_commit_did_to_other_files_that_are_read_is_kept(
    bad: dict[str, Content], later: dict[str, Content]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        history = made(Path(place) / "fleet", [FIRST, Change(bad), Change(later)])
        checkout = history.checkout()
        before, newest = Tree.of(checkout, history.commits[0]), Tree.of(checkout, history.commits[2])
        sha = revert(checkout, PATHS, *history.commits[:2], about=WEB)
        after = Tree.of(checkout, sha or history.commits[2])
        assert after.only(bad) == before.only(bad)
        assert after.only(set(newest.files) - set(bad)) == newest.only(set(newest.files) - set(bad))


def changed(path: str, content: str) -> Change:
    return Change({path: text(content)})


def test_later_lines_of_the_same_file_are_kept(tmp_path: Path) -> None:
    bad = changed("apps/web/a.yaml", "a: bad\nb: 1\nc: 1\nd: 1\ne: 1\n")
    later = changed("apps/web/a.yaml", "a: bad\nb: 1\nc: 1\nd: 1\ne: later\n")
    history = made(tmp_path / "fleet", [FIRST, bad, later])
    revert(history.checkout(), PATHS, *history.commits[:2], about=WEB)
    assert (history.at / "apps/web/a.yaml").read_text() == "a: 1\nb: 1\nc: 1\nd: 1\ne: later\n"


def test_a_later_change_of_the_very_lines_is_never_lost(tmp_path: Path) -> None:
    later = changed("apps/web/b.yaml", "b: later\n")
    history = made(tmp_path / "fleet", [FIRST, changed("apps/web/b.yaml", "b: bad\n"), later])
    checkout = history.checkout()
    with pytest.raises(RevertError, match=r"apps/web/b\.yaml"):
        revert(checkout, PATHS, *history.commits[:2], about=WEB)
    assert (history.at / "apps/web/b.yaml").read_text() == "b: later\n"
    assert not checkout.git("status", "--porcelain")


def test_a_commit_is_taken_back_only_where_the_applier_reads(tmp_path: Path) -> None:
    both = Change({"apps/web/b.yaml": text("b: bad\n"), "apps/other/x.yaml": text("x: 2\n")}, "Two at once")
    history = made(tmp_path / "fleet", [FIRST, both])
    checkout = history.checkout()
    revert(checkout, PATHS, *history.commits, about=WEB)
    assert (history.at / "apps/other/x.yaml").read_text() == "x: 2\n"
    assert "what they did to other files stays" in checkout.git("log", "-1", "--format=%B")


def test_a_file_that_moved_out_of_a_base_comes_back(tmp_path: Path) -> None:
    moved = Change(
        {
            "apps/base/c.yaml": None,
            "shared/c.yaml": text("c: 1\n"),
            "apps/base/kustomization.yaml": text("resources: [../../shared/c.yaml]\n"),
        }
    )
    history = made(tmp_path / "fleet", [FIRST, moved])
    revert(history.checkout(), PATHS, *history.commits, about=WEB)
    assert (history.at / "apps/base/c.yaml").exists()
    assert not (history.at / "shared/c.yaml").exists()


def test_the_message_names_who_what_and_where_to(tmp_path: Path) -> None:
    bad = [changed("apps/web/b.yaml", "b: 2\n"), changed("README.md", "else\n"), changed("apps/base/c.yaml", "c: 2\n")]
    history = made(tmp_path / "fleet", [FIRST, *bad])
    checkout = history.checkout()
    why = Why(reason="HealthCheckFailed: timeout", by="raibid rollback controller")
    revert(checkout, PATHS, history.commits[0], history.commits[-1], about=WEB, why=why)
    assert trailers_of(checkout.git("log", "-1", "--format=%B")) == {
        "Raibid-Object": (str(WEB),),
        "Raibid-By": (why.by,),
        "Raibid-Reason": (why.reason,),
        "Flux-Rollback": ("flux-system/web",),
        "Reverts": (history.commits[3], history.commits[1]),
        "Known-Good": (history.commits[0],),
    }


@pytest.mark.parametrize("path", OUTSIDE[:2])
def test_commits_to_other_paths_are_nothing_to_take_back(tmp_path: Path, path: str) -> None:
    history = made(tmp_path / "fleet", [FIRST, changed(path, "else\n")])
    assert revert(history.checkout(), PATHS, *history.commits, about=WEB) is None


def test_what_was_taken_back_already_is_not_taken_back_again(tmp_path: Path) -> None:
    history = made(tmp_path / "fleet", [FIRST, changed("apps/web/b.yaml", "b: 2\n")])
    checkout = history.checkout()
    assert revert(checkout, PATHS, *history.commits, about=WEB)
    assert revert(checkout, PATHS, *history.commits, about=WEB) is None


@pytest.mark.parametrize("theirs", ["apps/base/c.yaml/theirs.txt", "apps/base"], ids=["below", "above"])
def test_somebody_elses_file_in_the_way_is_not_deleted(tmp_path: Path, theirs: str) -> None:
    gone = Change({"apps/base/c.yaml": None, "apps/base/kustomization.yaml": None})
    history = made(tmp_path / "fleet", [FIRST, gone, changed(theirs, "mine\n")])
    with pytest.raises(RevertError, match="somebody else"):
        revert(history.checkout(), PATHS, *history.commits[:2], about=WEB)
    assert (history.at / theirs).read_text() == "mine\n"


def test_a_merge_is_named_and_not_what_it_merged(tmp_path: Path) -> None:
    bad = Change({"apps/web/b.yaml": text("b: 2\n")}, merged=True)
    history = made(tmp_path / "fleet", [FIRST, bad])
    checkout = history.checkout()
    revert(checkout, PATHS, *history.commits, about=WEB)
    assert trailers_of(checkout.git("log", "-1", "--format=%B"))["Reverts"] == (history.commits[1],)


def test_chosen_commits_are_taken_back_and_those_between_stay(tmp_path: Path) -> None:
    changes = [changed("apps/web/b.yaml", "b: 2\n"), changed("apps/base/c.yaml", "c: 2\n")]
    history = made(tmp_path / "fleet", [FIRST, *changes, changed("apps/web/a.yaml", "a: 2\n")])
    checkout = history.checkout()
    sha = revert_commits(checkout, PATHS, [history.commits[1], history.commits[3]], about=WEB)
    assert sha
    assert (history.at / "apps/web/b.yaml").read_text() == "b: 1\n"
    assert (history.at / "apps/base/c.yaml").read_text() == "c: 2\n"
    assert trailers_of(checkout.git("log", "-1", "--format=%B"))["Reverts"] == (history.commits[3], history.commits[1])


@pytest.mark.parametrize("merged", [False, True], ids=["commit", "merge"])
def test_a_chosen_commit_that_was_merged_is_taken_back_as_the_branch_got_it(tmp_path: Path, merged: bool) -> None:
    bad = Change({"apps/web/b.yaml": text("b: 2\n")}, merged=merged)
    history = made(tmp_path / "fleet", [FIRST, bad, changed("README.md", "else\n")])
    assert revert_commits(history.checkout(), PATHS, [history.commits[1]], about=WEB)
    assert (history.at / "apps/web/b.yaml").read_text() == "b: 1\n"


def test_the_first_commit_and_a_strangers_are_refused(tmp_path: Path) -> None:
    checkout = (history := made(tmp_path / "fleet", [FIRST])).checkout()
    with pytest.raises(RevertError, match="first commit"):
        revert_commits(checkout, PATHS, history.commits, about=WEB)
    with pytest.raises(RevertError, match="not in the branch"):
        revert_commits(checkout, PATHS, ["0" * 40], about=WEB)
