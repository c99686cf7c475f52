"""A pull request's one comment: its newest build's word, whatever fails, restarts or comes late."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest
import structlog
from raibid.ledger import Claim, Ledger
from raibid.model.job import JobStatus, Report
from raibid.model.report import Annotation

from tests.api.conftest import end, enqueue
from tests.api.status_line import Line
from tests.api.status_line import push as push_to_a_branch
from tests.forge.fake_forge import FakeForge

SHAS = ("5" * 40, "6" * 40, "7" * 40)


def pull(ledger: Ledger, build: int = 0, *, number: int = 7, forge: str = "gitea") -> str:
    """A job of the pull request, at one of its heads."""
    ref = f"refs/pull/{number}/head"
    dedupe = f"{forge} {number} {build}"
    return enqueue(ledger, dedupe, forge=forge, event="pull_request", ref=ref, sha=SHAS[build])


def found(words: str) -> Report:
    """A build that had a remark."""
    return Report(annotations=(Annotation(file="src/main.rs", line=3, level="warning", message=words),))


def claimed(ledger: Ledger) -> Claim:
    claim = ledger.claim("ci-agent-x")
    assert claim is not None
    return claim


def ends(ledger: Ledger, words: str = "", outcome: JobStatus = JobStatus.FAILED, claim: Claim | None = None) -> str:
    """The next job ends, with a remark or with nothing to say."""
    claim = claim or claimed(ledger)
    ledger.finish(claim.job.id, claim.token, outcome, found(words) if words else None)
    return claim.job.id


def text(line: Line, number: int = 7) -> str:
    """The one comment, as people see it; empty: there is none."""
    bodies = [c["body"] for c in line.forge.comments if c["number"] == number]
    assert len(bodies) <= 1, "one comment, ever"
    return bodies[0] if bodies else ""


def writes(forge: FakeForge) -> list[str]:
    return [asked for asked in forge.asked if "/issues/" in asked and not asked.startswith("GET")]


def test_a_build_that_found_something_says_so_once_it_has_ended(line: Line) -> None:
    pull(line.ledger)
    line.round()
    assert text(line) == ""
    ends(line.ledger, "unused variable")
    line.round()
    assert "unused variable" in text(line)
    assert (line.shown(context="raibid/pr"), line.untold()) == ("failure", [])


def test_the_comment_is_rewritten_by_the_next_build_and_not_written_twice(line: Line) -> None:
    for build, words in enumerate(("first", "second", "second")):
        pull(line.ledger, build)
        ends(line.ledger, words)
        line.round()
    assert "second" in text(line)
    assert "first" not in text(line)


def test_a_build_with_nothing_to_say_writes_nothing(line: Line) -> None:
    pull(line.ledger)
    ends(line.ledger)
    line.round()
    assert (line.forge.comments, writes(line.forge), line.untold()) == ([], [], [])


def test_an_older_comment_does_not_go_on_telling_of_what_is_mended(line: Line) -> None:
    pull(line.ledger, 0)
    ends(line.ledger, "unused variable")
    line.round()
    pull(line.ledger, 1)
    ends(line.ledger, outcome=JobStatus.SUCCESS)
    line.round()
    assert "unused variable" not in text(line)
    assert SHAS[1][:10] in text(line)


def test_only_pull_requests_have_one(line: Line) -> None:
    push_to_a_branch(line.ledger)
    ends(line.ledger, "unused variable")
    line.round()
    assert (line.forge.comments, line.shown()) == ([], "failure")


def test_two_pull_requests_have_one_each(line: Line) -> None:
    for number, words in ((7, "seven"), (8, "eight")):
        pull(line.ledger, number=number)
        ends(line.ledger, words)
    line.round()
    assert "seven" in text(line, 7)
    assert "eight" in text(line, 8)


def test_what_a_build_says_after_a_newer_one_has_spoken_is_not_written(line: Line) -> None:
    pull(line.ledger, 0)
    older = claimed(line.ledger)
    pull(line.ledger, 1)
    ends(line.ledger, "newer")
    line.round()
    ends(line.ledger, "older", claim=older)
    line.round()
    line.round()
    assert "newer" in text(line)
    assert line.untold() == []


def test_what_a_build_says_while_a_newer_one_waits_is_not_written(line: Line) -> None:
    pull(line.ledger, 0)
    older = claimed(line.ledger)
    pull(line.ledger, 1)
    ends(line.ledger, "older", claim=older)
    line.round()
    assert text(line) == ""


def test_the_same_number_on_another_forge_is_another_pull_request(line: Line) -> None:
    pull(line.ledger)
    ends(line.ledger, "unused variable")
    pull(line.ledger, forge="github")
    line.round()
    assert "unused variable" in text(line)


def test_the_newest_build_is_looked_for_in_pages_of_one(line: Line) -> None:
    pull(line.ledger)
    ends(line.ledger, "unused variable")
    records = line.ledger.records
    with patch.object(records, "page", wraps=records.page) as page:
        line.round()
    limits = [call.kwargs["limit"] for call in page.call_args_list]
    assert limits == [1, 1], "before and after it was written; a longer page is filled from all jobs there are"


def while_the_comment_is_on_its_way(line: Line, happens: Callable[[], None]) -> Callable[[str], int]:
    """After it was judged the newest's, before the forge has it."""

    def trouble(asked: str) -> int:
        if asked.startswith("POST") and "/issues/" in asked:
            line.forge.trouble = lambda _: 0
            happens()
        return 0

    return trouble


def test_of_two_apis_the_late_one_has_not_the_last_word(line: Line) -> None:
    pull(line.ledger, 0)
    ends(line.ledger, "older")
    late = Line(line.ledger, line.forge, line.credentials)

    def the_other_tells_of_a_newer_build() -> None:
        pull(line.ledger, 1)
        ends(line.ledger, "newer")
        line.round()
        line.forge.comments.clear()  # as if the late one had looked before there was any: it writes anew

    line.forge.trouble = while_the_comment_is_on_its_way(line, the_other_tells_of_a_newer_build)
    late.round()
    assert "older" in text(line)
    line.round()
    assert "newer" in text(line)
    assert line.untold() == []


def test_of_a_retried_builds_words_only_the_retrys_stay(line: Line) -> None:
    pull(line.ledger)
    first = ends(line.ledger, "at first")
    line.round()
    line.ledger.retry(first)
    ends(line.ledger, outcome=JobStatus.SUCCESS)
    line.round()
    assert "at first" not in text(line)


def test_a_comment_that_the_forge_was_too_ill_for_comes_when_it_is_well_again(line: Line) -> None:
    pull(line.ledger)
    ends(line.ledger, "unused variable")
    line.forge.stop()
    for _ in range(60):
        line.now += 60
        line.round()
    line.restart()
    line.forge.start()
    line.round()
    assert "unused variable" in text(line)
    assert line.untold() == []


def comments_fail(status: int) -> Callable[[str], int]:
    return lambda asked: status if "/issues/" in asked else 0


def test_a_comment_that_the_forge_fails_at_is_tried_alone_until_it_is_taken(line: Line) -> None:
    job = pull(line.ledger)
    ends(line.ledger, "unused variable")
    line.forge.trouble = comments_fail(500)
    for _ in range(5):
        line.later()
    assert len(line.forge.statuses) == 1, "the status was taken: only the comment is tried again"
    assert line.untold() == [job]
    line.forge.trouble = lambda _: 0
    line.later()
    line.later()
    assert "unused variable" in text(line)
    assert line.untold() == []


def test_a_status_that_the_forge_fails_at_does_not_hold_up_the_comment(line: Line) -> None:
    job = pull(line.ledger)
    ends(line.ledger, "unused variable")
    line.forge.trouble = lambda asked: 500 if "/statuses/" in asked else 0
    line.round()
    assert "unused variable" in text(line)
    assert line.untold() == [job]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "user should have a permission to write to a repo"),
        (403, "token does not have at least one of required scope(s), required=[write:issue]"),
        (403, "Resource not accessible by personal access token"),
        (403, "Resource not accessible by integration"),
        (404, "issue does not exist [id: 0, repo_id: 1, index: 7]"),
    ],
    ids=["gitea-user", "gitea-token", "github-token", "github-app", "gone"],
)
def test_a_refused_comment_ends_the_matter_and_is_said_once(line: Line, status: int, words: str) -> None:
    line.forge.trouble = comments_fail(status)
    line.forge.words = words
    with structlog.testing.capture_logs() as logs:
        for build in range(2):
            pull(line.ledger, build)
            ends(line.ledger, "unused variable")
            line.round()
    assert [(entry["log_level"], entry["topic"]) for entry in logs] == [("error", "comment")]
    assert (line.untold(), line.count("refused", "comments"), line.count("told")) == ([], 2, 2)


def test_a_comment_whose_answer_was_lost_is_not_written_twice(line: Line) -> None:
    pull(line.ledger)
    end(line.ledger)
    line.round()
    pull(line.ledger, 1)
    ends(line.ledger, "unused variable")
    line.forge.loses_answers = True
    line.later()
    line.forge.loses_answers = False
    for _ in range(3):
        line.later()
    assert "unused variable" in text(line)
    assert line.untold() == []


def test_a_comment_that_a_slow_forge_makes_late_does_not_stay(line: Line) -> None:
    pull(line.ledger)
    ends(line.ledger, "at first")
    line.forge.trouble = only_comments_are_held_back(line)
    line.round()
    assert len(line.forge.held_comments) == 1
    line.forge.trouble, line.forge.holds_back = lambda _: 0, False
    pull(line.ledger, 1)
    ends(line.ledger, "mended")
    line.later()
    line.forge.take_held_back()
    assert len(line.forge.comments) == 2
    for _ in range(3):
        line.later()
    assert "mended" in text(line)
    assert line.untold() == []


def only_comments_are_held_back(line: Line) -> Callable[[str], int]:
    def trouble(asked: str) -> int:
        line.forge.holds_back = asked.startswith("POST") and "/issues/" in asked
        return 0

    return trouble
