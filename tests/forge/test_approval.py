"""Whose right to push lets a fork's commit in without a person's look."""

from __future__ import annotations

import pytest
from raibid.forge.approval import vouchers
from raibid.model.job import JobSpec


def spec(**changes: str) -> JobSpec:
    """A commit that eve pushed to her own fork for her own pull request."""
    given = {
        "repo": "acme/anvil",
        "clone_url": "https://git.example.test/acme/anvil.git",
        "ref": "refs/pull/1/head",
        "event": "pull_request",
        "fork": "eve/anvil",
        "author": "eve",
        "sender": "eve",
    }
    return JobSpec(**{**given, **changes})  # type: ignore[arg-type]


def test_the_author_vouches_for_the_own_fork_in_any_case_of_the_name() -> None:
    assert vouchers(spec()) == ("eve",)
    assert vouchers(spec(author="Eve", sender="Eve")) == ("Eve",)


def test_whoever_brought_this_commit_must_be_trusted_too() -> None:
    assert vouchers(spec(sender="ada")) == ("eve", "ada")


def test_nobody_vouches_for_a_commit_that_nobody_is_known_to_have_brought() -> None:
    assert vouchers(spec(sender="")) == ()


@pytest.mark.parametrize(
    "change",
    [{"author": "ada"}, {"author": ""}, {"fork": "no branch that is there"}, {"fork": ""}, {"fork": "other/eve"}],
)
def test_nobody_vouches_for_a_fork_that_is_not_the_authors(change: dict[str, str]) -> None:
    assert vouchers(spec(**change)) == ()
