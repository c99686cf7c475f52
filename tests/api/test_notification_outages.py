"""Notifications while targets, or the API, are away: nothing is lost, nobody is flooded, no other waits."""

from __future__ import annotations

import pytest
import structlog
from raibid.ledger import Ledger
from raibid.model.job import JobStatus

from tests.api.chat import Chat, Make, build


def test_what_ends_while_the_api_is_down_is_told_after_its_start(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news()
    build(ledger)
    news.restart()
    news.round()
    assert chat.titles() == ["acme/anvil main: failed"]


def test_a_target_that_is_away_is_asked_less_and_less_and_loses_nothing(
    make_news: Make, chat: Chat, ledger: Ledger
) -> None:
    news = make_news()
    chat.ill = {"team"}
    build(ledger)
    for _ in range(120):
        news.now += 0.5
        news.round()
    assert len(chat.asked) == 4, "after 0, 5, 15 and 35 of 60 seconds"
    news.restart()
    chat.ill = set()
    news.round()
    assert chat.titles() == ["acme/anvil main: failed"]


def test_a_target_that_fails_holds_up_no_other_and_gets_nothing_twice(
    make_news: Make, chat: Chat, ledger: Ledger
) -> None:
    news = make_news(rooms=("team", "other"))
    chat.ill = {"team"}
    build(ledger)
    news.round()
    build(ledger, JobStatus.CANCELLED)
    news.round()
    both = ["acme/anvil main: failed", "acme/anvil main: cancelled"]
    assert (chat.titles("team"), chat.titles("other")) == ([], both)
    chat.ill = set()
    news.later()
    assert (chat.titles("team"), chat.titles("other")) == (both, both)


def test_of_many_targets_in_trouble_a_round_waits_for_one(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    rooms = ("a", "b", "c", "well")
    news = make_news(rooms=rooms)
    chat.ill = {"a", "b", "c"}
    build(ledger)
    news.round()
    chat.asked.clear()
    build(ledger)
    news.later()
    assert "well" in chat.asked
    assert len(chat.asked) == 2
    for _ in range(2):
        news.later()
    assert {"a", "b", "c"} <= set(chat.asked), "each in its turn"


class DiedError(Exception):
    """The process is gone: nothing of it may catch this."""


def test_a_death_between_sending_and_noting_so_repeats_and_does_not_lose(
    make_news: Make, chat: Chat, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = make_news()
    build(ledger)
    with monkeypatch.context() as patched:

        def dies(*_: object) -> None:
            raise DiedError

        patched.setattr(ledger.events, "move", dies)
        with pytest.raises(DiedError):
            news.round()
    news.restart()
    news.round()
    assert chat.titles() == ["acme/anvil main: failed"] * 2


def test_after_an_outage_of_hours_there_is_one_summary_and_then_the_news(
    make_news: Make, chat: Chat, ledger: Ledger
) -> None:
    news = make_news()
    chat.ill = {"team"}
    for i in range(15):
        build(ledger, JobStatus.SUCCESS if i % 3 else JobStatus.FAILED, ref=f"refs/heads/b{i % 2}")
    news.round()
    news.ahead = 2 * 3600
    chat.ill = set()
    assert news.later() == 1
    [summary] = chat.messages
    assert summary["title"] == "15 builds ended: 5 failed, 5 fixed, 5 success"
    assert summary["message"].count("acme/anvil b") == 2
    news.ahead = 0
    build(ledger)
    news.round()
    assert chat.titles()[1:] == ["acme/anvil main: failed"]


def test_many_endings_at_once_are_one_message(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news()
    for _ in range(11):
        build(ledger)
    assert news.round() == 1
    assert chat.titles() == ["11 builds ended: 11 failed"]


def test_endings_that_left_redis_before_they_were_told_are_owned_up_to(
    make_news: Make, chat: Chat, ledger: Ledger
) -> None:
    news = make_news()
    build(ledger)
    news.round()
    ledger.set_events_kept(100)
    for _ in range(150):
        ledger.client.xadd(ledger.keys.events, {"job": "x"}, maxlen=100, approximate=False)
    build(ledger, JobStatus.CANCELLED)
    with structlog.testing.capture_logs() as logs:
        news.round()
    assert [entry["event"] for entry in logs] == ["transitions left Redis before this target heard of them"]
    assert chat.titles()[-1] == "acme/anvil main: cancelled"


def test_a_job_that_nobody_can_read_holds_up_no_news(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news()
    odd = build(ledger)
    ledger.client.hset(ledger.keys.job + odd, "spec", "{")
    build(ledger, JobStatus.CANCELLED)
    with structlog.testing.capture_logs() as logs:
        news.round()
    assert [entry["job"] for entry in logs] == [odd]
    assert chat.titles() == ["acme/anvil main: cancelled"]


def test_of_a_targets_two_urls_the_dead_one_floods_the_other_with_nothing(
    make_news: Make, chat: Chat, ledger: Ledger
) -> None:
    news = make_news(rooms=("ops", "team"))
    news.file.write_text(f"ops: [{chat.room('dead')}, {chat.room('well')}]\nteam: {chat.room('team')}\n")
    news.round()
    chat.ill = {"dead"}
    for outcome in (JobStatus.FAILED, JobStatus.CANCELLED):
        build(ledger, outcome)
        for _ in range(3):
            news.later()
    both = ["acme/anvil main: failed", "acme/anvil main: cancelled"]
    assert [chat.titles(room) for room in ("dead", "well", "team")] == [[], both, both]
    news.restart()
    chat.ill = set()
    for _ in range(2):
        news.later()
    assert [chat.titles(room) for room in ("dead", "well", "team")] == [both, both, both]


def test_a_url_whose_secret_is_rotated_goes_on_where_it_was(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news(rooms=("ops",))
    news.file.write_text(f"ops: [{chat.room('first')}, {chat.room('stale')}]\n")
    news.round()
    chat.ill = {"stale"}
    build(ledger)
    news.round()
    news.file.write_text(f"ops: [{chat.room('first')}, {chat.room('rotated')}]\n")
    news.later()
    assert (chat.titles("first"), chat.titles("rotated")) == (["acme/anvil main: failed"],) * 2


def test_the_log_says_which_of_a_targets_urls_fails(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news(rooms=("ops",))
    news.file.write_text(f"ops: [{chat.room('well')}, {chat.room('dead')}]\n")
    news.round()
    chat.ill = {"dead"}
    build(ledger)
    with structlog.testing.capture_logs() as logs:
        news.round()
    assert [(entry["target"], entry["error"]) for entry in logs] == [("ops#2", "ops#2: HTTP 500")]
