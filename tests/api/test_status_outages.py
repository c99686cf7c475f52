"""Commit statuses while the forge is away, slow, full or refuses: nothing is lost, nothing is hammered."""

from __future__ import annotations

import pytest
import structlog

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


@pytest.mark.parametrize("status", [401, 429, 502, 503])
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


def test_missing_credentials_lose_nothing(line: Line) -> None:
    push(line.ledger)
    line.credentials.unlink()
    with structlog.testing.capture_logs() as logs:
        line.round()
        line.later()
    assert [entry["event"] for entry in logs] == ["the forge takes no statuses; they wait"]
    line.forge.credentials(line.credentials)
    line.later()
    assert line.shown() == "pending"


def test_an_api_that_is_asked_to_end_tells_no_more(line: Line) -> None:
    for i in range(3):
        push(line.ledger, str(i), sha=str(i) * 40)
    assert line.statuses.round(lambda: len(line.forge.statuses) == 1) == 1
    assert len(line.untold()) == 2
