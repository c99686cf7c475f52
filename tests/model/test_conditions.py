"""When-filters: what a glob matches, and which steps run."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.model.conditions import glob_matches, selected
from raibid.model.lint import load

SEGMENT = st.text("ab.", min_size=1, max_size=3)
PATH = st.lists(SEGMENT, min_size=1, max_size=5).map("/".join)
GLOB = st.lists(st.text("ab*?", min_size=1, max_size=3).filter(lambda s: "**" not in s) | st.just("**"), min_size=1)


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("*.rs", "main.rs", True),
        ("*.rs", "src/main.rs", False),
        ("**/*.rs", "main.rs", True),
        ("**/*.rs", "src/bin/main.rs", True),
        ("src/**", "src/a/b", True),
        ("src/**", "srcs/a", False),
        ("src/**/test", "src/test", True),
        ("src/**/test", "src/a/b/test", True),
        ("release/*", "release/1.0", True),
        ("release/*", "release/1.0/fix", False),
        ("v?", "v1", True),
        ("v[0-9]", "va", False),
        ("Main", "main", False),
        ("*", ".hidden", True),
        ("**", "anything/at/all", True),
    ],
)
def test_a_glob_matches_whole_names(glob: str, name: str, matches: bool) -> None:
    assert glob_matches(glob, name) is matches


@given(GLOB, PATH)
def test_a_glob_agrees_with_the_regular_expression_it_stands_for(pattern: list[str], path: str) -> None:
    parts = ["(?:[^/]+/)*" if part == "**" else _regex(part) + "/" for part in pattern]
    assert glob_matches("/".join(pattern), path) == bool(re.fullmatch("".join(parts), path + "/"))


def _regex(segment: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in segment)


@given(PATH)
def test_a_name_without_wildcards_matches_itself_and_two_stars_match_all(path: str) -> None:
    assert glob_matches(path, path)
    assert glob_matches("**", path)


def test_a_glob_of_many_stars_takes_no_exponential_time() -> None:
    assert not glob_matches("/".join(["**", "*a*"] * 200 + ["end"]), "/".join(["aaaa"] * 400))
    assert not glob_matches("*a" * 300 + "b", "a" * 900)


def reason(when: str, branch: str = "main", event: str = "push", changed: tuple[str, ...] | None = ()) -> str:
    """Why a step with these filters is skipped."""
    pipeline = load(f"steps: [{{name: a, run: make, when: {when}}}]".encode())
    [(_, why)] = selected(pipeline, branch=branch, event=event, changed=changed)
    return why


def test_a_step_without_filters_always_runs() -> None:
    pipeline = load(b"steps: [{name: a, run: make}]")
    assert selected(pipeline, branch="any", event="cron", changed=()) == [(pipeline.steps[0], "")]


def test_the_branch_filter_takes_included_branches_that_are_not_excluded() -> None:
    when = "{branch: {include: [main, 'release/*'], exclude: release/old}}"
    assert reason(when, branch="release/1") == ""
    assert reason(when, branch="release/old") == ("branch release/old is not among main, release/* without release/old")


def test_only_excluding_means_all_the_others() -> None:
    assert reason("{branch: {exclude: wip/**}}", branch="feature/x") == ""
    assert reason("{branch: {exclude: wip/**}}", branch="wip/x")


def test_the_event_filter_names_what_it_wanted() -> None:
    assert reason("{event: [manual, cron]}") == "event push is not manual or cron"
    assert reason("{event: push}") == ""


def test_one_matching_file_is_enough() -> None:
    assert reason("{path: 'src/**'}", changed=("README.md", "src/a.rs")) == ""
    assert reason("{path: 'src/**'}", changed=("README.md",)) == "no changed file is among src/**"


def test_a_change_of_excluded_files_alone_skips() -> None:
    when = "{path: {exclude: ['docs/**', '*.md']}}"
    assert reason(when, changed=("docs/a", "README.md"))
    assert reason(when, changed=("docs/a", "src/a.rs")) == ""


def test_unknown_changes_pass_and_no_changes_do_not() -> None:
    assert reason("{path: 'src/**'}", changed=None) == ""
    assert reason("{path: 'src/**'}", changed=())


def test_every_filter_must_agree() -> None:
    assert reason("{branch: main, event: cron}").startswith("event")
    assert reason("{branch: dev, event: push}").startswith("branch")
