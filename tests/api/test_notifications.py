"""Notifications: each ending is heard by whom it concerns, at least once, and an outage brings no flood."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog
from raibid.api.settings import Settings
from raibid.api.targets import TargetError
from raibid.forge.notify import Ending
from raibid.ledger import Ledger
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import lowest_id

from tests.api.chat import SECRET, Chat, News
from tests.api.conftest import end, enqueue, served, spec
from tests.waiting import until

ALL = [str(ending) for ending in Ending]


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()
    chat.start()
    yield chat
    chat.stop()


Make = Callable[..., News]


@pytest.fixture
def make(ledger: Ledger, chat: Chat, tmp_path: Path) -> Make:
    """A line to rooms; it has looked once, so that it hears of what follows."""

    def make(rules: Any = None, *, rooms: tuple[str, ...] = ("team",), **default: Any) -> News:
        rules = rules or [{"on": ALL, "to": list(rooms)}]
        news = News(ledger, chat, tmp_path, {"default": {"notify": rules, **default}}, rooms)
        news.round()
        return news

    return make


_BUILDS = count()


def build(ledger: Ledger, outcome: JobStatus = JobStatus.FAILED, **changes: Any) -> str:
    """A job from its push to its end."""
    enqueue(ledger, f"build {next(_BUILDS)}", **changes)
    return end(ledger, outcome)


# --- who hears of what -------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED])
def test_an_ending_is_told_once_with_a_link(make: Make, chat: Chat, ledger: Ledger, outcome: JobStatus) -> None:
    news = make()
    job = build(ledger, outcome, message="Sharpen it", author="ada")
    assert (news.round(), news.round()) == (1, 0)
    [message] = chat.messages
    assert message["title"] == f"acme/anvil main: {outcome}"
    assert "Sharpen it\n5555555555 by ada" in message["message"]
    assert f"https://ci.example.test/jobs/{job}" in message["message"]


def test_a_dead_job_is_told_with_its_reason(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make()
    ledger.bury(enqueue(ledger), "no agent could start")
    news.round()
    assert chat.titles() == ["acme/anvil main: dead"]
    assert "no agent could start" in chat.messages[0]["message"]


def test_the_success_after_a_failure_of_the_branch_is_a_fix(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make([{"on": ["fixed"], "to": "team"}])
    build(ledger, JobStatus.SUCCESS)
    build(ledger, JobStatus.FAILED)
    build(ledger, JobStatus.SUCCESS, ref="refs/heads/side")
    build(ledger, JobStatus.CANCELLED)
    build(ledger, JobStatus.SUCCESS)
    build(ledger, JobStatus.SUCCESS)
    news.round()
    assert chat.titles() == ["acme/anvil main: fixed"]


def test_who_wants_to_hear_of_successes_hears_of_fixes(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make([{"on": "success", "to": "team"}])
    build(ledger, JobStatus.FAILED)
    build(ledger, JobStatus.SUCCESS)
    news.round()
    assert chat.titles() == ["acme/anvil main: fixed"]


def test_a_failure_that_only_the_archive_remembers_is_fixed_too(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make([{"on": ["fixed"], "to": "team"}])
    archived_failure(news, days=8)
    build(ledger, JobStatus.SUCCESS)
    news.round()
    assert chat.titles() == ["acme/anvil main: fixed"]


def archived_failure(news: News, days: int) -> str:
    job_id = lowest_id(datetime.now(UTC) - timedelta(days=days))
    news.archive.put(Job(id=job_id, spec=spec(), status=JobStatus.FAILED), [])
    return job_id


def test_rules_choose_endings_branches_and_rooms(make: Make, chat: Chat, ledger: Ledger) -> None:
    rules = [
        {"on": "failed", "branches": "main", "to": "team"},
        {"on": ["failed", "success"], "branches": {"exclude": ["main"]}, "to": ["side", "team"]},
    ]
    news = make(rules, rooms=("team", "side"))
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


def test_a_strangers_words_call_nobody(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make()
    build(ledger, message="@everyone <!channel> {{ secret }}" + "x" * 1_000)
    news.round()
    [message] = chat.messages
    assert "@everyone" not in message["message"]
    assert "<!channel>" not in message["message"]
    assert "{{ secret }}" in message["message"]
    assert len(message["message"]) < 600


def test_a_new_target_hears_of_nothing_that_went_before(make: Make, chat: Chat, ledger: Ledger) -> None:
    build(ledger)
    news = make()
    news.round()
    assert chat.messages == []


def test_a_target_that_left_and_came_back_starts_anew(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make(rooms=("team", "side"))
    news.rooms = ("team",)
    news.write_targets()
    build(ledger)
    news.round()
    news.rooms = ("team", "side")
    news.write_targets()
    news.round()
    news.round()
    assert (chat.titles("team"), chat.titles("side")) == (["acme/anvil main: failed"], [])


# --- nothing is lost, nothing is flooded -------------------------------------------------------------------


def test_what_ends_while_the_api_is_down_is_told_after_its_start(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make()
    build(ledger)
    news.restart()
    news.round()
    assert chat.titles() == ["acme/anvil main: failed"]


def test_a_target_that_is_away_is_asked_less_and_less_and_loses_nothing(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make()
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


def test_a_target_that_fails_holds_up_no_other_and_gets_nothing_twice(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make(rooms=("team", "other"))
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


def test_of_many_targets_in_trouble_a_round_waits_for_one(make: Make, chat: Chat, ledger: Ledger) -> None:
    rooms = ("a", "b", "c", "well")
    news = make(rooms=rooms)
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
    make: Make, chat: Chat, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = make()
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
    make: Make, chat: Chat, ledger: Ledger
) -> None:
    news = make()
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


def test_many_endings_at_once_are_one_message(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make()
    for _ in range(11):
        build(ledger)
    assert news.round() == 1
    assert chat.titles() == ["11 builds ended: 11 failed"]


def test_endings_that_left_redis_before_they_were_told_are_owned_up_to(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make()
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


def test_a_job_that_nobody_can_read_holds_up_no_news(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make()
    odd = build(ledger)
    ledger.client.hset(ledger.keys.job + odd, "spec", "{")
    build(ledger, JobStatus.CANCELLED)
    with structlog.testing.capture_logs() as logs:
        news.round()
    assert [entry["job"] for entry in logs] == [odd]
    assert chat.titles() == ["acme/anvil main: cancelled"]


# --- the file of targets -----------------------------------------------------------------------------------


def test_a_rule_for_a_target_that_is_not_in_the_file_stops_the_start(make: Make) -> None:
    with pytest.raises(TargetError, match="notify: nobody: no such target"):
        make([{"to": "nobody"}])


def test_a_file_that_breaks_while_the_api_runs_is_said_once_and_loses_nothing(
    make: Make, chat: Chat, ledger: Ledger
) -> None:
    news = make()
    right = news.file.read_text()
    news.file.write_text("team: [")
    build(ledger)
    with structlog.testing.capture_logs() as logs:
        news.round()
        news.later()
    assert len(logs) == 1
    news.file.write_text(right)
    news.later()
    assert chat.titles() == ["acme/anvil main: failed"]


def test_a_file_that_is_gone_for_a_while_loses_nothing(make: Make, chat: Chat, ledger: Ledger) -> None:
    news = make()
    news.file.unlink()
    build(ledger)
    news.round()
    news.write_targets()
    news.round()
    assert chat.titles() == ["acme/anvil main: failed"]


@pytest.fixture
def every_log() -> Iterator[io.StringIO]:
    """What a service shows at its wordiest; pytest's own capture also hears loggers that nobody else does."""
    text, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(text), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_log_holds_a_targets_url(
    make: Make, chat: Chat, ledger: Ledger, every_log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    news = make(rooms=("team", "gone"))
    chat.ill = {"team"}
    build(ledger)
    news.file.write_text(f"team: {chat.url('team')}\ngone: json://127.0.0.1:1/{SECRET}\n")
    with structlog.testing.capture_logs() as logs:
        news.round()
    assert [(entry["target"], entry["error"]) for entry in logs] == [
        ("team", "team: HTTP 500"),
        ("gone", "gone: not delivered (FAILURE)"),
    ]
    logging.getLogger("tests").debug("the wordiest")
    printed = capfd.readouterr()
    assert "the wordiest" in every_log.getvalue()
    assert SECRET not in every_log.getvalue() + str(logs) + printed.out + printed.err


def test_the_running_api_tells_people(
    make_settings: Callable[..., Settings], ledger: Ledger, chat: Chat, tmp_path: Path
) -> None:
    enrolment, targets = tmp_path / "enrolment.yaml", tmp_path / "targets.yaml"
    enrolment.write_text("default: {notify: [{to: team}]}\n")
    targets.write_text(f"team: {chat.url('team')}\n")
    settings = make_settings(enrolment_file=enrolment, notify_file=targets, tick_seconds=0.02)
    with served(settings, ledger) as api:
        until(lambda: "team" in ledger.events.cursors("notify"))
        build(ledger)
        until(chat.titles)
        until(lambda: 'raibid_notifications_total{outcome="sent",target="team"} 1.0' in metrics(api))


def metrics(api: Any) -> str:
    text: str = api.reader.get("/metrics").text
    return text


def test_without_a_file_nobody_is_told(ledger: Ledger, make_settings: Callable[..., Settings]) -> None:
    with served(make_settings(tick_seconds=0.02), ledger) as api:
        build(ledger)
        assert api.parts.notifications.round() == 0
    assert ledger.events.cursors("notify") == {}
