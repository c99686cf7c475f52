"""Whose word about which commit a list of reviews is."""

from __future__ import annotations

import msgspec
import pytest
from raibid.forge import PayloadError, gitea, github
from raibid.forge.reviews import Review, Reviewer, approvers
from raibid.model.pull_request_event import PullRequestReviewed, pull_number

from tests.forge.conftest import FIXTURES

SHA, OLDER = "2" * 40, "1" * 40


def review(login: str, state: str = "APPROVED", sha: str = SHA, *, dismissed: bool = False) -> Review:
    return Review(state=state, commit_id=sha, user=Reviewer(login), dismissed=dismissed)


def test_an_approval_counts_for_the_commit_that_was_looked_at() -> None:
    assert approvers([review("ada"), review("bob", sha=OLDER)], SHA) == ("ada",)
    assert approvers([review("ada"), review("bob", sha=OLDER)], OLDER) == ("bob",)


@pytest.mark.parametrize("state", ["CHANGES_REQUESTED", "REQUEST_CHANGES", "DISMISSED"])
def test_the_last_word_counts_and_a_comment_is_none(state: str) -> None:
    assert approvers([review("ada"), review("ada", state)], SHA) == ()
    assert approvers([review("ada", state), review("ada")], SHA) == ("ada",)
    assert approvers([review("ada"), review("ada", "COMMENTED"), review("ada", "COMMENT")], SHA) == ("ada",)


def test_a_later_approval_of_an_older_commit_takes_the_earlier_one_back() -> None:
    assert approvers([review("ada"), review("ada", sha=OLDER)], SHA) == ()


def test_a_dismissed_approval_and_one_of_nobody_count_for_nothing() -> None:
    assert approvers([review("ada", dismissed=True), Review(state="APPROVED", commit_id=SHA)], SHA) == ()


def test_an_approval_that_gitea_itself_does_not_count_is_none() -> None:
    told = [review("ada"), review("eve")]
    marked = [msgspec.structs.replace(one, official=one.user == Reviewer("ada")) for one in told]
    assert approvers(marked, SHA) == ("ada",)


def test_github_lists_reviews_without_a_commit_or_an_account() -> None:
    text = b'[{"state": "APPROVED", "commit_id": null, "user": null}]'
    assert approvers(msgspec.json.decode(text, type=list[Review]), SHA) == ()


@pytest.mark.parametrize(
    ("forge", "event", "number", "sha"),
    [
        ("gitea", "pull_request_approved", 2, "3535db2555c119ecdecf70933be2a7d8a8dd896c"),
        ("github", "pull_request_review", 7, "4" * 40),
    ],
)
def test_a_review_is_told_with_the_pull_requests_head(forge: str, event: str, number: int, sha: str) -> None:
    name = "fork-pull-request-approved" if forge == "gitea" else "pull-request-approved"
    body, parse = (
        (FIXTURES / f"{forge}-{name}.json").read_bytes(),
        {"gitea": gitea.parse, "github": github.parse}[forge],
    )
    headers = {f"x-{forge}-event": event}
    assert parse(headers, body) == PullRequestReviewed(forge=forge, repo="acme/anvil", number=number, sha=sha)
    assert parse(headers, body.replace(b'"reviewed"', b'"x"').replace(b'"submitted"', b'"edited"')) is None
    with pytest.raises(PayloadError):
        parse(headers, body.replace(sha.encode(), b"abc"))


@pytest.mark.parametrize(
    ("ref", "number"),
    [
        ("refs/pull/17/head", 17),
        ("refs/pull/17/merge", 0),
        ("refs/heads/main", 0),
        ("refs/pull/\u0661/head", 0),
        ("17", 0),
    ],
)
def test_the_number_of_a_pull_request_is_in_its_ref(ref: str, number: int) -> None:
    assert pull_number(ref) == number
