"""Badges: the right job, and a bounded price for a route that anybody may call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from raibid.api.errors import OverloadedError
from raibid.api.remembered import Remembered
from raibid.api.settings import Settings
from raibid.ledger import Ledger
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import new_job_id

from tests.api.conftest import Api, end, enqueue, served, spec


def badge(api: Api, query: str = "") -> httpx.Response:
    return api.anonymous.get(f"/badges/acme/anvil.svg{query}")


def test_a_badge_shows_the_default_branch_unless_told_otherwise(api: Api) -> None:
    assert ">unknown<" in badge(api).text
    enqueue(api.ledger, "1", default_branch="main")
    end(api.ledger)
    enqueue(api.ledger, "2", default_branch="main", ref="refs/heads/dev")
    end(api.ledger, JobStatus.FAILED)
    assert ">passing<" in badge(api).text
    assert ">failing<" in badge(api, "?branch=dev").text
    assert ">unknown<" in badge(api, "?branch=<script>").text
    assert badge(api).headers["Content-Type"] == "image/svg+xml"


def test_the_default_branch_is_found_behind_any_number_of_other_pushes(api: Api) -> None:
    enqueue(api.ledger, "main", default_branch="main")
    end(api.ledger)
    for i in range(21):
        enqueue(api.ledger, str(i), default_branch="main", ref=f"refs/heads/feature-{i}")
    assert ">passing<" in badge(api).text


def test_a_manual_job_does_not_hide_the_default_branch(api: Api) -> None:
    enqueue(api.ledger, "main", default_branch="main")
    end(api.ledger)
    enqueue(api.ledger, "by hand", event="manual", ref="refs/heads/dev")
    assert ">passing<" in badge(api).text


def test_a_pull_request_changes_no_branchs_badge_and_has_one_of_its_own(api: Api) -> None:
    enqueue(api.ledger, "main", default_branch="main")
    end(api.ledger)
    enqueue(api.ledger, "pr", default_branch="main", event="pull_request", ref="refs/pull/7/head")
    end(api.ledger, JobStatus.FAILED)
    assert ">passing<" in badge(api).text
    assert ">passing<" in badge(api, "?branch=main").text
    assert ">failing<" in badge(api, "?branch=refs/pull/7/head").text


def test_a_badge_goes_on_in_the_archive(api: Api) -> None:
    long_ago = new_job_id((datetime.now(UTC) - timedelta(days=3)).timestamp())
    api.archive.put(Job(id=long_ago, spec=spec(default_branch="main"), status=JobStatus.FAILED), [])
    enqueue(api.ledger, "dev", default_branch="main", ref="refs/heads/dev")
    assert ">failing<" in badge(api).text


def test_a_badge_is_kept_for_a_while(make_settings: Callable[..., Settings], ledger: Ledger) -> None:
    with served(make_settings(badge_seconds=3600), ledger) as api:
        assert ">unknown<" in badge(api).text
        enqueue(ledger, default_branch="main")
        assert ">unknown<" in badge(api).text
        assert ">pending<" in badge(api, "?branch=main").text


# --- what is remembered -------------------------------------------------------------------------------------


@pytest.fixture
def answers() -> Iterator[int]:
    return iter(range(100))


def test_an_answer_is_found_anew_once_it_is_old(answers: Iterator[int]) -> None:
    now = [0.0]
    kept = Remembered[str, int](5, clock=lambda: now[0])

    def get() -> int:
        return asyncio.run(kept.get("k", lambda: next(answers)))

    assert (get(), get()) == (0, 0)
    now[0] = 5.0
    assert get() == 1


def test_those_who_ask_at_the_same_time_get_one_answer(answers: Iterator[int]) -> None:
    async def scenario() -> list[int]:
        kept = Remembered[str, int](5)
        return await asyncio.gather(*(kept.get("k", lambda: next(answers)) for _ in range(50)))

    assert asyncio.run(scenario()) == [0] * 50


def test_an_answer_that_takes_long_holds_up_other_new_ones_only(answers: Iterator[int]) -> None:
    entered, gate = threading.Event(), threading.Event()

    def slow() -> int:
        entered.set()
        gate.wait(20)
        return next(answers)

    async def scenario() -> list[int]:
        kept = Remembered[str, int](5)
        known = await kept.get("known", lambda: next(answers))
        first = asyncio.create_task(kept.get("slow", slow))
        await asyncio.to_thread(entered.wait, 20)
        behind = asyncio.create_task(kept.get("new", lambda: next(answers)))
        again = await kept.get("known", lambda: next(answers))
        gate.set()
        return [known, again, await first, await behind]

    assert asyncio.run(scenario()) == [0, 0, 1, 2]


def test_too_many_that_wait_are_refused_and_too_many_answers_forgotten(
    monkeypatch: pytest.MonkeyPatch, answers: Iterator[int]
) -> None:
    monkeypatch.setattr("raibid.api.remembered._MOST_WAITING", 2)
    monkeypatch.setattr("raibid.api.remembered._MOST_KEPT", 1)
    kept = Remembered[int, int](5)

    async def scenario() -> list[int | BaseException]:
        asked = (kept.get(i, lambda: next(answers)) for i in range(3))
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second, third = asyncio.run(scenario())
    assert (first, second) == (0, 1)
    assert isinstance(third, OverloadedError)
    assert asyncio.run(kept.get(1, lambda: next(answers))) == 1
    assert asyncio.run(kept.get(0, lambda: next(answers))) == 2
