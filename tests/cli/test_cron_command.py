"""`raibid cron` against an API that answers as told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.cli.conftest import FakeApi

Raibid = Callable[..., tuple[int, str, str]]
NIGHT = datetime(2026, 11, 23, 2, 17, tzinfo=UTC).timestamp()
NIGHTLY = {
    "repo": "acme/anvil", "branch": "main", "schedule": "17 3 * * *", "timezone": "Europe/Vienna", "next": [NIGHT],
}  # fmt: skip


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_times_are_shown_by_the_schedules_own_clock(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", "/cron", json.dumps({"schedules": [NIGHTLY]}).encode())
    code, out, _ = raibid("cron")
    assert code == 0
    assert "Mon 23 Nov 03:17 CET" in out


def test_a_time_that_could_not_be_built_says_why(api: FakeApi, raibid: Raibid) -> None:
    late = {**NIGHTLY, "trouble": "gitea: acme/anvil has no branch main"}
    api.on("GET", "/cron", json.dumps({"schedules": [late]}).encode())
    assert "has no branch main" in raibid("cron")[1]


def test_without_a_schedule_it_says_so(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", "/cron", b'{"schedules": []}')
    assert "nothing is scheduled" in raibid("cron")[1]


def test_json_is_the_apis_answer(api: FakeApi, raibid: Raibid) -> None:
    api.on("GET", "/cron", json.dumps({"schedules": [NIGHTLY]}).encode())
    assert json.loads(raibid("cron", "--json")[1]) == {"schedules": [NIGHTLY]}
