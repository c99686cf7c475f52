"""When a schedule's time has come, and which job it becomes."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.forge.cron import Origin, build_of, schedules
from raibid.forge.enrolment import Enrolment, RepositoryRule
from raibid.forge.schedule import CronRule, Schedule

DAY = 24 * 3600.0
VIENNA = "Europe/Vienna"


def schedule(text: str = "17 3 * * *", timezone: str = "UTC", **more: object) -> Schedule:
    return Schedule("acme/anvil", CronRule(branch="main", schedule=text, timezone=timezone, **more))  # type: ignore[arg-type]


def at(text: str, timezone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone)).timestamp()


def test_before_its_time_nothing_is_due() -> None:
    assert schedule().due(at("2026-11-20 12:00"), at("2026-11-21 03:16:59")) is None


def test_at_its_time_it_is_due_and_then_not_again() -> None:
    now = at("2026-11-21 03:17")
    assert schedule().due(at("2026-11-20 12:00"), now) == now
    assert schedule().due(now, now + 3600) is None


def test_of_many_missed_times_the_latest_is_made_up_for() -> None:
    seen, now = at("2026-11-20 12:00"), at("2026-11-21 11:59:30")
    assert schedule("*/5 * * * *").due(seen, now) == at("2026-11-21 11:55")


def test_a_time_missed_by_more_than_a_day_is_let_go() -> None:
    seen = at("2026-11-01 00:00")
    assert schedule("0 0 7 * *").due(seen, at("2026-11-07 23:59")) == at("2026-11-07 00:00")
    assert schedule("0 0 7 * *").due(seen, at("2026-11-08 00:01")) is None


def test_a_schedule_means_its_own_time_zones_clock() -> None:
    summer, winter = schedule("0 3 * * *", VIENNA).next(at("2026-07-01 12:00"), 1), at("2026-12-01 12:00")
    assert summer == (at("2026-07-02 01:00"),)
    assert schedule("0 3 * * *", VIENNA).next(winter, 1) == (at("2026-12-02 02:00"),)


def test_a_time_that_the_clock_skips_comes_right_after_the_gap() -> None:
    # On 2026-03-29 Vienna's clock goes from 02:00 to 03:00.
    assert schedule("30 2 * * *", VIENNA).next(at("2026-03-28 12:00", VIENNA), 2) == (
        at("2026-03-29 03:00", VIENNA),
        at("2026-03-30 02:30", VIENNA),
    )


def test_a_time_that_the_clock_has_twice_comes_once() -> None:
    # On 2026-10-25 Vienna's clock goes from 03:00 back to 02:00.
    first, second = schedule("30 2 * * *", VIENNA).next(at("2026-10-24 12:00", VIENNA), 2)
    assert second - first > DAY
    assert datetime.fromtimestamp(second, ZoneInfo(VIENNA)).day == 26


@given(
    st.sampled_from(["*/7 * * * *", "17 3 * * *", "30 2 * * SUN", "0 */3 1-15 * *"]),
    st.sampled_from(["UTC", VIENNA, "America/New_York", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
    st.lists(st.integers(1, 40_000), min_size=1, max_size=8),
)
def test_whoever_looks_often_enough_sees_to_every_time_once(
    text: str, timezone: str, start: datetime, looks: list[int]
) -> None:
    one, begin = schedule(text, timezone), start.replace(tzinfo=UTC).timestamp()
    seen, now, found = begin, begin, []
    for pause in looks:
        now += pause
        if (due := one.due(seen, now)) is not None:
            found.append(due)
            seen = due
    expected = _until(one, begin, now)
    assert found == sorted(set(found))
    assert set(found) <= set(expected)
    assert found[-1:] == expected[-1:], "the latest is never missed"


def _until(one: Schedule, begin: float, end: float) -> list[float]:
    times: list[float] = []
    for moment in one.times(begin):
        if moment > end:
            return times
        times.append(moment)
    return times


def test_the_key_tells_schedules_apart_and_survives_a_restart() -> None:
    assert schedule().key == schedule().key
    others = [schedule("18 3 * * *"), schedule(timezone=VIENNA), schedule(params={"A": "1"})]
    assert len({one.key for one in [schedule(), *others]}) == 4


def test_the_job_of_a_time() -> None:
    rule = RepositoryRule(priority="low", resource="gpu", cron=[schedule(params={"NIGHTLY": "1"}).rule])
    enrolment = Enrolment(repositories={"acme/anvil": rule})
    [one] = schedules(enrolment)
    origin = Origin(clone_url="https://forge.test/acme/anvil.git", forge="gitea", sha="a" * 40, default_branch="main")
    build = build_of(one, at("2026-11-21 03:17"), origin, enrolment)
    spec = build.spec
    assert (spec.event, spec.found_by, spec.ref, spec.sha) == ("cron", "cron", "refs/heads/main", "a" * 40)
    assert (spec.priority.name, spec.resource, spec.params, spec.group) == ("LOW", "gpu", {"NIGHTLY": "1"}, "")
    assert build.dedupe.endswith("|2026-11-21T03:17Z")
    assert not build.hold


def test_two_times_are_two_jobs() -> None:
    enrolment, origin = Enrolment(repositories={}), Origin(clone_url="https://forge.test/a.git")
    first, second = (build_of(schedule(), at("2026-11-21 03:17") + days * DAY, origin, enrolment) for days in (0, 1))
    assert first.dedupe != second.dedupe


@pytest.mark.parametrize("demanded", [True, False])
def test_the_approval_that_a_repository_demands_is_demanded_of_cron_too(demanded: bool) -> None:
    enrolment = Enrolment(repositories={"acme/anvil": RepositoryRule(approval=demanded)})
    build = build_of(schedule(), at("2026-11-21 03:17"), Origin(clone_url="https://forge.test/a.git"), enrolment)
    assert build.hold is demanded
