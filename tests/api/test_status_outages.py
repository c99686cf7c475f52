"""Commit statuses while the forge is away, slow, full or refuses: nothing is lost, nothing is hammered."""

from __future__ import annotations

import pytest
import structlog
from raibid.model.job import JobStatus

from tests.api.conftest import SHA, end
from tests.api.status_line import Line, push


def test_a_forge_that_was_down_for_an_hour_hears_the_end(line: Line) -> None:
    push(line.ledger)
    line.forge.stop()
    for _ in range(60):
        line.now += 60
        line.round()
    end(line.ledger)
    line.restart()
    line.forge.start()
    line.round()
    assert [s["state"] for s in line.forge.statuses] == ["success"]


@pytest.mark.parametrize("status", [401, 502, 503])
def test_a_forge_that_is_away_is_asked_less_and_less_and_loses_nothing(line: Line, status: int) -> None:
    for i in range(5):
        push(line.ledger, str(i), sha=str(i) * 40)
    line.forge.trouble = lambda _: status
    for _ in range(120):
        line.now += 0.5
        line.round()
    assert len(line.forge.asked) == 6, "after 0, 1, 3, 7, 15 and 31 of 60 seconds, with one job each"
    assert len(line.untold()) == 5
    line.forge.trouble = lambda _: 0
    assert line.later() == 5


def test_a_word_that_a_slow_forge_takes_late_is_not_the_last(line: Line) -> None:
    push(line.ledger)
    line.forge.holds_back = True
    line.round()
    line.forge.holds_back = False
    end(line.ledger)
    line.later()
    line.forge.take_held_back()
    assert [s["state"] for s in line.forge.statuses] == ["success", "pending"]
    line.later()
    assert (line.shown(), line.untold()) == ("success", [])


def test_a_failure_whose_answer_was_lost_is_not_said_again_after_its_retry_succeeded(line: Line) -> None:
    push(line.ledger)
    first = end(line.ledger, JobStatus.FAILED)
    line.forge.loses_answers = True
    line.round()
    line.forge.loses_answers = False
    line.ledger.retry(first)
    end(line.ledger)
    line.later()
    line.later()
    assert (line.shown(), line.untold()) == ("success", [])


def test_a_failure_that_a_slow_forge_takes_after_its_retrys_success_is_not_the_last_word(line: Line) -> None:
    push(line.ledger)
    first = end(line.ledger, JobStatus.FAILED)
    line.forge.holds_back = True
    line.round()
    line.forge.holds_back = False
    line.ledger.retry(first)
    end(line.ledger)
    line.later()
    line.forge.take_held_back()
    assert [s["state"] for s in line.forge.statuses] == ["success", "failure"]
    line.later()
    assert (line.shown(), line.untold()) == ("success", [])


def badly(line: Line, *repositories: str) -> None:
    """The forge answers nothing about them; about all others it does."""
    line.forge.trouble = lambda asked: 504 if any(f"/{name}/statuses/" in asked for name in repositories) else 0


def test_repositories_whose_statuses_never_get_an_answer_starve_no_other(line: Line) -> None:
    bad = [f"acme/bad{i}" for i in range(5)]
    for repo in bad:
        push(line.ledger, repo, repo=repo)
    push(line.ledger, "good", sha="6" * 40)
    badly(line, *bad)
    for _ in range(6):
        line.later()
    assert line.shown("6" * 40) == "pending"
    for _ in range(120):
        line.now += 1
        line.round()
    end_of_the_good_one(line)
    line.now += 1
    line.round()
    assert line.shown("6" * 40) == "success", "the forge is not away: others' statuses do not wait"
    badly(line)
    for _ in range(2):
        line.later()
    assert line.untold() == []


def test_of_many_repositories_in_trouble_a_round_waits_for_one(line: Line) -> None:
    for i in range(5):
        push(line.ledger, f"bad{i}", repo=f"acme/bad{i}")
    badly(line, "acme/bad0", "acme/bad1", "acme/bad2", "acme/bad3", "acme/bad4")
    for _ in range(5):
        line.later()
    push(line.ledger, "good", sha="6" * 40)
    line.later()
    before = len(line.forge.asked)
    line.later()
    assert (line.shown("6" * 40), len(line.forge.asked) - before) == ("pending", 1)


def end_of_the_good_one(line: Line) -> None:
    while claim := line.ledger.claim("ci-agent-x"):
        line.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)


def test_a_repository_in_trouble_is_asked_about_once_a_minute_and_said_once(line: Line) -> None:
    for i in range(5):
        push(line.ledger, f"bad{i}", repo="acme/bad", sha=str(i) * 40)
    badly(line, "acme/bad")
    line.round()
    push(line.ledger, "good", sha="6" * 40)
    line.later()
    before = len(line.forge.asked)
    with structlog.testing.capture_logs() as logs:
        for _ in range(1_800):
            line.now += 1
            line.round()
    assert len(line.forge.asked) - before <= 35
    assert [entry["event"] for entry in logs] == []


def test_a_forge_that_asks_for_a_pause_gets_it(line: Line) -> None:
    push(line.ledger)
    line.forge.trouble, line.forge.headers = lambda _: 429, {"Retry-After": "30"}
    line.round()
    line.now += 29
    line.round()
    assert len(line.forge.asked) == 1
    line.now += 2
    line.round()
    assert len(line.forge.asked) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_refusal_that_cannot_heal_ends_the_matter_and_is_said_once(line: Line, status: int) -> None:
    push(line.ledger, "1")
    push(line.ledger, "2", sha="6" * 40)
    line.forge.trouble = lambda _: status
    with structlog.testing.capture_logs() as logs:
        line.round()
        end(line.ledger)
        line.later()
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert logs[0]["repo"] == "acme/anvil"
    assert (line.untold(), line.count("refused")) == ([], 3)


def test_a_commit_that_is_gone_is_dropped_though_the_forge_says_500(line: Line) -> None:
    push(line.ledger)
    line.forge.gone = {SHA}
    line.round()
    assert (line.untold(), line.count("refused")) == ([], 1)


def test_a_call_that_the_forge_fails_at_is_repeated_and_holds_up_no_other(line: Line) -> None:
    push(line.ledger, "poison")
    push(line.ledger, "good", sha="6" * 40)
    line.forge.trouble = lambda asked: 500 if SHA in asked and asked.startswith("POST") else 0
    line.round()
    line.round()
    assert (line.shown("6" * 40), line.count("failed")) == ("pending", 1)
    line.forge.trouble = lambda _: 0
    line.later()
    assert (line.shown(), line.untold()) == ("pending", [])


def test_a_rotated_token_is_used_without_a_restart(line: Line) -> None:
    push(line.ledger)
    right = line.credentials.read_text()
    line.credentials.write_text(f"http://raibid:stale@127.0.0.1:{line.forge.port}\n")
    line.round()
    assert line.shown() == ""
    line.credentials.write_text(right)
    line.later()
    assert line.shown() == "pending"


def test_a_token_of_too_small_a_scope_loses_nothing(line: Line) -> None:
    push(line.ledger)
    line.forge.trouble = lambda _: 403
    line.forge.words = "token does not have at least one of required scope(s), required=[write:repository]"
    line.round()
    line.forge.trouble = lambda _: 0
    line.later()
    assert (line.shown(), line.count("refused")) == ("pending", 0)


def test_missing_credentials_lose_nothing(line: Line) -> None:
    push(line.ledger)
    line.credentials.unlink()
    with structlog.testing.capture_logs() as logs:
        line.round()
        line.later()
    assert [entry["event"] for entry in logs] == ["the forge takes none; they wait"]
    line.forge.credentials(line.credentials)
    line.later()
    assert line.shown() == "pending"


def test_an_api_that_is_asked_to_end_tells_no_more(line: Line) -> None:
    for i in range(3):
        push(line.ledger, str(i), sha=str(i) * 40)
    assert line.telling.round(lambda: len(line.forge.statuses) == 1) == 1
    assert len(line.untold()) == 2
