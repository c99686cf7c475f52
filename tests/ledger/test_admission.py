"""The stream holds exactly the jobs that an agent may take now (spec/queue.md 2.0)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from raibid.ledger import Claim, Ledger
from raibid.model.job import JobStatus, Priority

from tests.ledger.conftest import new, put, take, urgent

Lose = Callable[[Claim], None]
HOUR_US = 3600 * 1_000_000


def run_all(ledger: Ledger) -> list[str]:
    """Take and finish jobs one by one until nothing is left: the order of service."""
    order = []
    while claim := ledger.claim("agent"):
        order.append(claim.job.id)
        ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    return order


def hours_pass(ledger: Ledger, hours: float) -> None:
    """Set the queue's clock ahead (it is Redis' time less the time spent paused)."""
    ledger.client.hincrby(ledger.keys.settings, "paused_total", -int(hours * HOUR_US))


def status(ledger: Ledger, job_id: str) -> JobStatus:
    job = ledger.records.get(job_id)
    assert job is not None
    return job.status


def test_the_window_bounds_the_stream_and_the_rest_waits(ledger: Ledger) -> None:
    ledger.set_window(2)
    put(ledger, *[new() for _ in range(5)])
    assert (ledger.depth().stream, ledger.depth().waiting) == (2, 3)


def test_a_lane_is_first_in_first_out(ledger: Ledger) -> None:
    ledger.set_window(1)
    jobs = put(ledger, *[new() for _ in range(8)])
    assert run_all(ledger) == jobs


def test_a_better_class_goes_first(ledger: Ledger) -> None:
    ledger.pause()
    low, normal, high, now = put(ledger, new(priority=Priority.LOW), new(), new(priority=Priority.HIGH), urgent())
    ledger.set_window(1)
    ledger.resume()
    assert run_all(ledger) == [now, high, normal, low]


def test_what_came_during_a_pause_is_not_a_class_worse_for_it(ledger: Ledger) -> None:
    # The clock stands still meanwhile, so scores lie ahead of it: the last one here by 2 ms.
    put(ledger, new("busy/repo"))
    take(ledger)
    ledger.set_window(2)
    ledger.pause()
    *_, normal = put(ledger, *[new("idle/repo", priority=Priority.LOW) for _ in range(2000)], new("busy/repo"))
    ledger.resume()
    assert take(ledger, "b").job.id == normal


def test_waiting_lifts_a_job_by_a_class_an_hour(ledger: Ledger) -> None:
    ledger.set_window(0)
    (old_low,) = put(ledger, new("acme/a", priority=Priority.LOW))
    hours_pass(ledger, 2.5)
    (fresh_normal,) = put(ledger, new("acme/b"))
    ledger.set_window(1)
    assert run_all(ledger) == [old_low, fresh_normal]


def test_no_age_reaches_the_urgent_band(ledger: Ledger) -> None:
    ledger.set_window(0)
    (ancient,) = put(ledger, new())
    hours_pass(ledger, 1000)
    (now,) = put(ledger, urgent())
    ledger.set_window(1)
    assert run_all(ledger) == [now, ancient]


def test_repositories_take_turns_whatever_their_backlog(ledger: Ledger) -> None:
    ledger.set_window(0)
    put(ledger, *[new("big/backlog") for _ in range(10)])
    (small,) = put(ledger, new("small/one"))
    ledger.set_window(1)
    assert small in run_all(ledger)[:2]


def test_nobody_waits_more_than_a_round_for_their_turn(ledger: Ledger) -> None:
    ledger.set_window(0)
    repos = [f"acme/{n}" for n in range(4)]
    owner = dict(zip(put(ledger, *[new(r) for _ in range(5) for r in repos]), repos * 5, strict=True))
    ledger.set_window(1)
    served = [owner[job] for job in run_all(ledger)]
    assert all(len(set(served[i : i + 4])) == 4 for i in range(0, 20, 4))


@pytest.mark.parametrize("who", ["acme/app", "*"])
def test_a_repositorys_limit_holds_and_blocks_nobody_else(ledger: Ledger, who: str) -> None:
    ledger.set_limit("repo", who, 1)
    put(ledger, new(), new(), new("acme/other"))
    assert ledger.depth().repos == {"acme/app": 1, "acme/other": 1}


def test_a_counted_resource_is_never_shared_beyond_its_limit(ledger: Ledger) -> None:
    ledger.set_limit("resource", "gpu", 1)
    put(ledger, new("a/a", resource="gpu"), new("b/b", resource="gpu"), new("b/b"))
    assert ledger.depth().resources == {"gpu": 1, "": 1}


def test_a_job_that_needs_no_resource_has_no_resource_limit(ledger: Ledger) -> None:
    ledger.set_limit("resource", "*", 1)
    put(ledger, new(), new())
    assert ledger.depth().stream == 2


def test_two_hundred_blocked_jobs_do_not_starve_the_one_behind_them(ledger: Ledger) -> None:
    ledger.set_limit("repo", "acme/app", 0)
    put(ledger, *[new() for _ in range(200)])
    (free,) = put(ledger, new("acme/other"))
    assert take(ledger).job.id == free


def test_a_lower_limit_sends_unclaimed_entries_back_newest_first(ledger: Ledger) -> None:
    first, second, third = put(ledger, new(), new(), new())
    ledger.set_limit("repo", "*", 2)
    assert [status(ledger, j) for j in (first, second, third)] == ["queued", "queued", "waiting"]
    ledger.set_limit("repo", "*", None)
    assert ledger.depth().stream == 3


def test_a_smaller_window_never_takes_a_running_job_back(ledger: Ledger) -> None:
    put(ledger, *[new() for _ in range(4)])
    claims = [take(ledger, f"a{n}") for n in range(3)]
    ledger.set_window(1)
    depth = ledger.depth()
    assert (depth.stream, depth.claimed) == (3, 3)
    for claim in claims:
        ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    assert ledger.depth().stream == 1


def test_a_job_sent_back_keeps_its_place_in_the_lane(ledger: Ledger) -> None:
    jobs = put(ledger, *[new() for _ in range(4)])
    ledger.pause()
    put(ledger, new())
    ledger.set_window(1)
    ledger.resume()
    assert run_all(ledger)[:4] == jobs


def test_while_paused_nothing_starts_and_running_jobs_finish(ledger: Ledger) -> None:
    put(ledger, new(), new())
    claim = take(ledger)
    ledger.pause()
    put(ledger, new())
    assert ledger.claim("b") is None
    assert (ledger.depth().stream, ledger.depth().claimed, ledger.depth().paused) == (1, 1, True)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    ledger.resume()
    assert ledger.depth().stream == 2


def test_a_pause_ages_nobody(ledger: Ledger) -> None:
    ledger.pause()
    ledger.pause()
    at = int(ledger.client.hget(ledger.keys.settings, "paused_at"))  # type: ignore[arg-type]
    ledger.client.hset(ledger.keys.settings, "paused_at", at - 5 * HOUR_US)  # five hours ago, that is
    ledger.resume()
    assert int(ledger.client.hget(ledger.keys.settings, "paused_total")) >= 5 * HOUR_US  # type: ignore[arg-type]


def test_the_clock_set_back_does_not_break_the_order(ledger: Ledger) -> None:
    ledger.set_window(0)
    first = put(ledger, new())
    hours_pass(ledger, -30)
    second = put(ledger, new())
    ledger.set_window(1)
    assert run_all(ledger) == first + second


def test_a_held_job_waits_for_approval_and_its_age_counts_from_then(ledger: Ledger) -> None:
    (held,) = put(ledger, new(hold=True))
    (later,) = put(ledger, new())
    assert status(ledger, held) == "held"
    ledger.set_window(0)
    assert ledger.approve(held, "maintainer") is JobStatus.WAITING
    assert ledger.approve(held, "somebody else") is JobStatus.WAITING
    ledger.set_window(1)
    assert run_all(ledger) == [later, held]
    job = ledger.records.get(held)
    assert job is not None
    assert job.approved_by == "maintainer"


@pytest.mark.parametrize("gate", ["pause", "limit", "window"])
def test_a_lost_lease_goes_back_to_its_lane_when_it_may_not_run_now(
    ledger: Ledger, lose_lease: Lose, gate: str
) -> None:
    put(ledger, new())
    claim = take(ledger)
    lose_lease(claim)
    close: dict[str, Callable[[], None]] = {
        "pause": ledger.pause,
        "limit": lambda: ledger.set_limit("repo", "*", 0),
        "window": lambda: ledger.set_window(0),
    }
    close[gate]()
    if gate == "pause":
        ledger.tick()  # claim takes nothing while paused
    else:
        assert ledger.claim("b") is None
    assert status(ledger, claim.job.id) == "waiting"
    assert ledger.depth().stream == 0


def test_a_job_released_while_paused_goes_back_to_its_lane(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    ledger.pause()
    assert ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True) is JobStatus.WAITING
    assert ledger.depth().stream == 0


def test_an_unparseable_entry_takes_a_place_but_does_not_stop_admission(ledger: Ledger) -> None:
    ledger.client.xadd(ledger.keys.stream, {"junk": "1"})
    put(ledger, *[new() for _ in range(5)])
    assert (ledger.depth().stream, ledger.depth().admit_errors) == (4, 0)
    assert run_all(ledger)
    assert ledger.depth().stream == 0


def test_an_entry_without_a_lane_does_not_stop_admission(ledger: Ledger) -> None:
    ledger.client.xadd(ledger.keys.stream, {"job": "x", "lane": "written by hand"})
    (job,) = put(ledger, new())
    assert status(ledger, job) == "queued"
    assert ledger.depth().admit_errors == 0


def test_an_error_in_admit_is_counted_and_the_callers_step_stands(ledger: Ledger) -> None:
    ledger.set_window(0)
    (job,) = put(ledger, new())
    ledger.client.set(ledger.keys.turn, "not a hash")
    ledger.set_window(1)
    assert ledger.depth().admit_errors == 1
    ledger.client.delete(ledger.keys.turn)
    ledger.client.xtrim(ledger.keys.stream, maxlen=0)
    ledger.tick()
    assert take(ledger).job.id == job
