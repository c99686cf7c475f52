"""Statuses come first: whatever a forge does to comments, no job of the same repository, or another's, waits for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
import structlog
from raibid.api.comments import MARKER
from raibid.ledger import Ledger
from raibid.model.job import JobStatus

from tests.api.conftest import end, enqueue
from tests.api.status_line import Line, push
from tests.api.test_comments import claimed, comments_fail, ends, pull, text

PUSHED, ELSEWHERE = "8" * 40, "9" * 40
OF_GITHUB = "Resource not accessible by personal access token"
OF_GITEA = "token does not have at least one of required scope(s), required=[write:issue], token scope=write:repository"
NO_NAME = "token does not have at least one of required scope(s), required=[read:user], token scope=write:repository"
_MARKED = count(1)

Trouble = Callable[[Line], None]


def comments_answer(status: int, words: str) -> Trouble:
    def trouble(line: Line) -> None:
        line.forge.trouble, line.forge.words = comments_fail(status), words

    return trouble


def a_stranger_quotes_the_marker_and_nobody_tells_us_our_name(line: Line) -> None:
    quoted = {"id": next(_MARKED), "body": f"{MARKER} what is it?", "user": {"login": "eve"}}
    line.forge.comments += [{**quoted, "repo": "acme/anvil", "number": number} for number in (7, 8)]
    line.forge.trouble, line.forge.words = lambda asked: 403 if asked.endswith("/user") else 0, NO_NAME


TROUBLES = {
    "away": comments_answer(503, "later"),
    "no-rights-on-github": comments_answer(403, OF_GITHUB),
    "no-rights-on-gitea": comments_answer(403, OF_GITEA),
    "no-name": a_stranger_quotes_the_marker_and_nobody_tells_us_our_name,
    "failing": comments_answer(500, "oh"),
    "refused": comments_answer(403, "must be a collaborator"),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_no_status_waits_for_a_comment(line: Line, trouble: Trouble) -> None:
    trouble(line)
    for build in range(3):
        pull(line.ledger, build)
        ends(line.ledger, "unused variable")
    for _ in range(3):
        line.round()
        line.now += 1
    pull(line.ledger, number=8)
    push(line.ledger, "o1", sha=PUSHED)
    push(line.ledger, "o2", sha=ELSEWHERE, repo="acme/rocket")
    line.round()
    assert (line.shown(PUSHED), line.shown(ELSEWHERE)) == ("pending", "pending")
    ends(line.ledger, "unused variable")
    end(line.ledger, JobStatus.FAILED)
    end(line.ledger)
    line.round()
    assert (line.shown(PUSHED), line.shown(ELSEWHERE)) == ("failure", "success")
    assert line.shown(context="raibid/pr", sha="5" * 40) == "failure"


@pytest.mark.parametrize("trouble", ["no-rights-on-github", "no-rights-on-gitea", "no-name"])
def test_a_login_without_the_right_to_comment_is_said_once_and_nothing_waits_for_it(line: Line, trouble: str) -> None:
    TROUBLES[trouble](line)
    with structlog.testing.capture_logs() as logs:
        for build in range(3):
            pull(line.ledger, build)
            ends(line.ledger, "unused variable")
            line.round()
    assert [(entry["log_level"], entry["topic"]) for entry in logs] == [("error", "comment")]
    assert (line.untold(), line.count("refused", "comments"), line.count("told")) == ([], 3, 3)


def test_a_login_that_takes_no_status_loses_no_comment(line: Line) -> None:
    pull(line.ledger)
    ends(line.ledger, "unused variable")
    line.forge.trouble = comments_fail(500)
    line.round()
    line.forge.trouble, line.forge.words = lambda _: 403, OF_GITHUB
    for _ in range(5):
        line.later()
    line.forge.trouble = lambda _: 0
    for _ in range(2):
        line.later()
    assert "unused variable" in text(line)
    assert line.untold() == []


def three_pull_requests(line: Line) -> None:
    """Of the first one, whose job is the oldest, the forge takes no comment; one is another repository's."""
    ref, sha = "refs/pull/9/head", "4" * 40
    for number in (7, 8):
        pull(line.ledger, number=number)
    enqueue(line.ledger, forge="gitea", repo="acme/rocket", event="pull_request", ref=ref, sha=sha)
    line.forge.trouble = lambda asked: 503 if "/issues/7/" in asked else 0
    for _ in range(3):
        ends(line.ledger, "unused variable")


def test_a_pull_request_whose_comment_is_never_taken_keeps_no_others_waiting(line: Line) -> None:
    three_pull_requests(line)
    for _ in range(5):
        line.now += 1
        line.round()
    assert [bool(text(line, number)) for number in (7, 8, 9)] == [False, True, True]


def test_a_pull_request_whose_comment_is_never_taken_is_asked_about_once_a_minute_and_said_once(line: Line) -> None:
    three_pull_requests(line)
    for _ in range(60):
        line.now += 1
        line.round()
    with structlog.testing.capture_logs() as logs:
        before = len(line.forge.asked)
        for minute in range(10):
            pull(line.ledger, minute % 3, number=20 + minute)
            ends(line.ledger, "unused variable")
            for _ in range(60):
                line.now += 1
                line.round()
    asked = [one for one in line.forge.asked[before:] if "/issues/7/" in one]
    assert 5 <= len(asked) <= 11
    assert [text(line, 20 + minute) != "" for minute in range(10)] == [True] * 10
    assert len(logs) <= 1


def test_a_refusal_that_was_mended_and_comes_back_is_said_again(line: Line) -> None:
    with structlog.testing.capture_logs() as logs:
        for build, status in enumerate((403, 0, 403)):
            line.forge.trouble, line.forge.words = comments_fail(status), OF_GITHUB
            pull(line.ledger, build)
            ends(line.ledger, f"found {build}")
            line.round()
    assert [(entry["log_level"], entry["topic"]) for entry in logs] == [("error", "comment")] * 2


def test_a_word_without_an_answer_is_not_waited_for_after_an_hour(line: Line, ledger: Ledger) -> None:
    push(ledger)
    line.forge.loses_answers = True
    line.round()
    line.forge.loses_answers = False
    line.now += 4_000
    line.round()
    assert (len(line.forge.statuses), line.untold()) == (2, [])


def test_a_comment_waits_while_the_forge_takes_no_statuses(line: Line) -> None:
    pull(line.ledger)
    claim = claimed(line.ledger)
    line.round()
    ends(line.ledger, "unused variable", claim=claim)
    line.forge.trouble = lambda asked: 503 if "/statuses/" in asked else 0
    line.round()
    assert not [asked for asked in line.forge.asked if "/issues/" in asked]
