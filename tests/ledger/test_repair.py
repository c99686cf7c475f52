"""The tick repairs what no agent is left to repair."""

from __future__ import annotations

import pytest
from raibid.ledger import Beat, Ledger

from tests.ledger.conftest import entry_of, new, put, take


def test_entries_of_a_consumer_that_was_deleted_by_hand_are_not_lost(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger, "a")
    ledger.client.xgroup_delconsumer(ledger.keys.stream, "ci-workers", "a")
    assert ledger.tick()["orphans"] == 1
    assert ledger.beat(claim.job.id, claim.token) is Beat.STALE
    assert take(ledger, "b").job.id == claim.job.id
    assert ledger.depth().stream == 1


def test_jobs_whose_entries_were_trimmed_away_come_back(ledger: Ledger) -> None:
    jobs = put(ledger, new(), new())
    ledger.client.xtrim(ledger.keys.stream, maxlen=0)
    assert ledger.tick()["orphans"] == 2
    assert [take(ledger, f"a{n}").job.id for n in range(2)] == jobs


@pytest.mark.parametrize("lost", [("lane:acme/app|", "lanes"), ("lane:acme/app|",), ("lanes",)])
def test_a_waiting_job_that_fell_out_of_its_lane_returns(ledger: Ledger, lost: tuple[str, ...]) -> None:
    ledger.set_window(0)
    (job,) = put(ledger, new())
    ledger.client.delete(*(f"{{{ledger.keys.stream}}}:{key}" for key in lost))
    ledger.tick()
    ledger.set_window(1)
    assert take(ledger).job.id == job


def test_a_held_job_that_fell_out_of_the_set_returns(ledger: Ledger) -> None:
    put(ledger, new(hold=True))
    ledger.client.delete(ledger.keys.held)
    ledger.tick()
    assert ledger.depth().held == 1


def test_expired_records_leave_the_index(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    ledger.client.xdel(ledger.keys.stream, entry_of(ledger, job))
    ledger.client.delete(ledger.keys.job + job)
    assert ledger.tick()["indexed"] == 1
    assert ledger.client.zcard(ledger.keys.index) == 0


def test_the_walk_over_the_records_reaches_all_of_them(ledger: Ledger) -> None:
    jobs = put(ledger, *[new() for _ in range(250)])
    for job in jobs:
        ledger.client.delete(ledger.keys.job + job)
    assert sum(ledger.tick()["indexed"] for _ in range(4)) == 250


def test_a_tick_on_a_sound_ledger_changes_nothing(ledger: Ledger) -> None:
    put(ledger, new(), new(hold=True))
    take(ledger)
    assert set(ledger.tick().values()) == {0}
