"""Notifications: each ending is heard by whom it concerns, and by nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from raibid.ledger import Ledger
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import lowest_id

from tests.api.chat import Chat, Make, News, build
from tests.api.conftest import enqueue, spec


@pytest.mark.parametrize("outcome", [JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED])
def test_an_ending_is_told_once_with_a_link(make_news: Make, chat: Chat, ledger: Ledger, outcome: JobStatus) -> None:
    news = make_news()
    job = build(ledger, outcome, message="Sharpen it", author="ada")
    assert (news.round(), news.round()) == (1, 0)
    [message] = chat.messages
    assert message["title"] == f"acme/anvil main: {outcome}"
    assert "Sharpen it\n5555555555 by ada" in message["message"]
    assert f"https://ci.example.test/jobs/{job}" in message["message"]


def test_a_dead_job_is_told_with_its_reason(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news()
    ledger.bury(enqueue(ledger), "no agent could start")
    news.round()
    assert chat.titles() == ["acme/anvil main: dead"]
    assert "no agent could start" in chat.messages[0]["message"]


def test_the_success_after_a_failure_of_the_branch_is_a_fix(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news([{"on": ["fixed"], "to": "team"}])
    build(ledger, JobStatus.SUCCESS)
    build(ledger, JobStatus.FAILED)
    build(ledger, JobStatus.SUCCESS, ref="refs/heads/side")
    build(ledger, JobStatus.CANCELLED)
    build(ledger, JobStatus.SUCCESS)
    build(ledger, JobStatus.SUCCESS)
    news.round()
    assert chat.titles() == ["acme/anvil main: fixed"]


def test_who_wants_to_hear_of_successes_hears_of_fixes(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news([{"on": "success", "to": "team"}])
    build(ledger, JobStatus.FAILED)
    build(ledger, JobStatus.SUCCESS)
    news.round()
    assert chat.titles() == ["acme/anvil main: fixed"]


def test_a_failure_that_only_the_archive_remembers_is_fixed_too(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news([{"on": ["fixed"], "to": "team"}])
    archived_failure(news, days=8)
    build(ledger, JobStatus.SUCCESS)
    news.round()
    assert chat.titles() == ["acme/anvil main: fixed"]


def archived_failure(news: News, days: int) -> str:
    job_id = lowest_id(datetime.now(UTC) - timedelta(days=days))
    news.archive.put(Job(id=job_id, spec=spec(), status=JobStatus.FAILED), [])
    return job_id


def test_rules_choose_endings_branches_and_rooms(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    rules = [
        {"on": "failed", "branches": "main", "to": "team"},
        {"on": ["failed", "success"], "branches": {"exclude": ["main"]}, "to": ["side", "team"]},
    ]
    news = make_news(rules, rooms=("team", "side"))
    build(ledger, JobStatus.FAILED)
    build(ledger, JobStatus.SUCCESS)
    build(ledger, JobStatus.SUCCESS, ref="refs/heads/side")
    news.round()
    assert chat.titles("team") == ["acme/anvil main: failed", "acme/anvil side: success"]
    assert chat.titles("side") == ["acme/anvil side: success"]


def test_a_repositorys_own_rules_stand_for_the_defaults(ledger: Ledger, chat: Chat, tmp_path: Path) -> None:
    rules = {
        "default": {"notify": [{"to": "team"}]},
        "repositories": {
            "acme/anvil": {"notify": [{"to": "anvil"}]},
            "acme/quiet": {"notify": []},
            "acme/other": {"limit": 3},
        },
    }
    news = News(ledger, chat, tmp_path, rules, ("team", "anvil"))
    news.round()
    for repo in ("acme/anvil", "acme/quiet", "acme/other", "acme/unnamed"):
        build(ledger, repo=repo)
    news.round()
    assert chat.titles("anvil") == ["acme/anvil main: failed"]
    assert chat.titles("team") == ["acme/other main: failed", "acme/unnamed main: failed"]


def test_a_strangers_words_call_nobody(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news()
    build(ledger, message="@everyone <!channel> {{ secret }}" + "x" * 1_000)
    news.round()
    [message] = chat.messages
    assert "@everyone" not in message["message"]
    assert "<!channel>" not in message["message"]
    assert "{{ secret }}" in message["message"]
    assert len(message["message"]) < 600


def test_a_new_target_hears_of_nothing_that_went_before(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    build(ledger)
    news = make_news()
    news.round()
    assert chat.messages == []


def test_a_target_that_left_and_came_back_starts_anew(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news(rooms=("team", "side"))
    news.rooms = ("team",)
    news.write_targets()
    build(ledger)
    news.round()
    news.rooms = ("team", "side")
    news.write_targets()
    news.round()
    news.round()
    assert (chat.titles("team"), chat.titles("side")) == (["acme/anvil main: failed"], [])
