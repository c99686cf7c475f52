"""The file of notifications' targets while the API runs: it changes, breaks and goes; none of its secrets is shown."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from raibid.api.settings import Settings
from raibid.api.targets import TargetError
from raibid.ledger import Ledger

from tests.api.chat import SECRET, Chat, Make, build
from tests.api.conftest import served
from tests.waiting import until


def test_a_rule_for_a_target_that_is_not_in_the_file_stops_the_start(make_news: Make) -> None:
    with pytest.raises(TargetError, match="notify: nobody: no such target"):
        make_news([{"to": "nobody"}])


def test_a_file_that_breaks_while_the_api_runs_is_said_once_and_loses_nothing(
    make_news: Make, chat: Chat, ledger: Ledger
) -> None:
    news = make_news()
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


def test_a_file_that_is_gone_for_a_while_loses_nothing(make_news: Make, chat: Chat, ledger: Ledger) -> None:
    news = make_news()
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
    make_news: Make, chat: Chat, ledger: Ledger, every_log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    news = make_news(rooms=("team", "gone"))
    chat.ill = {"team"}
    build(ledger)
    news.file.write_text(f"team: {chat.room('team')}\ngone: json://127.0.0.1:1/{SECRET}\n")
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
    targets.write_text(f"team: {chat.room('team')}\n")
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
