"""Commit messages: what we write is what we, and git, read; nothing in a value poses as another line."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.change.message import message, trailers_of
from raibid.gitops.change.trailers import BY, NAMES, OBJECT, REASON, REVERTS, ROLLBACK

VALUES = st.text(max_size=40)
TRAILERS = st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, max_size=3), min_size=1)


def as_git_reads(text: str) -> str:
    command = ["git", "interpret-trailers", "--parse", "--no-divider"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


@given(st.text(), st.text(), TRAILERS)
def test_no_subject_body_or_value_makes_a_trailer_that_was_not_given(
    subject: str, body: str, trailers: dict[str, list[str]]
) -> None:
    found = trailers_of(message(subject, body, {**trailers, BY: "raibid"}))
    assert set(found) <= {*trailers, BY}
    assert sum(map(len, found.values())) <= sum(map(len, trailers.values())) + 1
    assert found[BY] == ("raibid",)


@pytest.mark.parametrize("reason", ["why not", "two\nlines", f"x\n\n{ROLLBACK}: ns/name", "\0", "a: b", "\u2028x"])
def test_git_reads_the_same_trailers(reason: str) -> None:
    text = message("Set a field", f"{ROLLBACK}: flux-system/apps", {OBJECT: "Deployment/ci/api", REASON: reason})
    found = trailers_of(text)
    assert as_git_reads(text).splitlines() == [f"{name}: {value}" for name, values in found.items() for value in values]
    assert ROLLBACK not in found


def test_a_trailer_may_be_given_several_times() -> None:
    text = message("Revert", "", {REVERTS: ("a" * 40, "b" * 40)})
    assert trailers_of(text)[REVERTS] == ("a" * 40, "b" * 40)


def test_our_names_are_found_in_any_spelling_for_the_loop_guard_must_not_be_passed_by_one() -> None:
    assert trailers_of("Revert\n\nflux-rollback: a/b\n") == {ROLLBACK: ("a/b",)}


@pytest.mark.parametrize(
    "text",
    ["", "\n", "Flux-Rollback: a/b", "Subject\n\nprose of: one\nand no trailer", "x\n\nFlux-Rollback: a/b\n\nmore"],
    ids=["empty", "blank", "the subject alone", "prose", "not the last paragraph"],
)
def test_what_git_does_not_take_for_a_trailer_is_none(text: str) -> None:
    assert trailers_of(text) == {}


def test_a_folded_value_is_one() -> None:
    assert trailers_of("x\n\nRaibid-Reason: two\n  lines\n") == {REASON: ("two lines",)}


@given(st.text())
def test_any_message_can_be_read(text: str) -> None:
    trailers_of(text)
