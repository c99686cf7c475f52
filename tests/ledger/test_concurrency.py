"""One job of a concurrency group runs at a time; the others wait outside of the stream, at nobody's cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs
from raibid.ledger import Beat, Claim, Joined, Ledger, StaleTokenError
from raibid.model.job import JobStatus

from tests.ledger.conftest import new, put, take

Lose = Callable[[Claim], None]


def join(ledger: Ledger, claim: Claim, group: str = "deploy", *, supersede: bool = False) -> Joined:
    return ledger.join(claim.job.id, claim.token, group, supersede=supersede)


def two(ledger: Ledger, *, supersede: bool = False) -> tuple[Claim, Claim]:
    """One that has the group, and one that has asked for it since."""
    put(ledger, new(), new())
    first, second = take(ledger, "a"), take(ledger, "b")
    assert join(ledger, first) is Joined.OK
    assert join(ledger, second, supersede=supersede) is Joined.WAIT
    return first, second


def status(ledger: Ledger, claim: Claim) -> JobStatus:
    found = ledger.records.get(claim.job.id)
    assert found is not None
    return found.status


def finish(ledger: Ledger, claim: Claim, outcome: JobStatus = JobStatus.SUCCESS) -> None:
    ledger.finish(claim.job.id, claim.token, outcome)


def test_the_second_waits_outside_of_the_stream_and_says_for_whom(ledger: Ledger) -> None:
    first, second = two(ledger)
    assert (ledger.wanted(), status(ledger, second)) == (1, JobStatus.WAITING)
    assert ledger.claim("c") is None
    why = ledger.why(second.job.id)
    assert (why.blocked_by, why.holders) == ("group", (first.job.id,))
    assert f"concurrency group deploy is taken by {first.job.id}" in why.sentence
    assert first.job.id in b"".join(chunk.data for chunk in ledger.logs.read(second.job.id)).decode()


def test_waiting_costs_no_attempt_however_often(ledger: Ledger) -> None:
    put(ledger, new(max_attempts=1))
    waiting = take(ledger)
    for number in range(3):
        put(ledger, new())
        holder = take(ledger, f"h{number}")
        join(ledger, holder, f"g{number}")
        assert join(ledger, waiting, f"g{number}") is Joined.WAIT  # each time the file names another group
        finish(ledger, holder)
        waiting = take(ledger, f"w{number}")
        assert (waiting.job.attempt, waiting.job.refunds) == (1, 0)


def test_the_next_in_turn_has_the_group_when_the_one_before_ends(ledger: Ledger) -> None:
    first, second = two(ledger)
    put(ledger, new())
    third = take(ledger, "c")
    assert join(ledger, third) is Joined.WAIT
    finish(ledger, first)
    again = take(ledger, "d")
    assert again.job.id == second.job.id
    assert ledger.claim("e") is None
    assert join(ledger, again) is Joined.OK
    finish(ledger, again)
    assert take(ledger, "f").job.id == third.job.id


@pytest.mark.parametrize("end", ["cancelled", "buried", "lost and cancelled"])
def test_the_group_is_free_however_its_job_ends(ledger: Ledger, lose_lease: Lose, end: str) -> None:
    first, second = two(ledger)
    if end == "buried":
        ledger.bury(first.job.id, "poison")
    else:
        ledger.cancel(first.job.id)
        if end == "cancelled":
            finish(ledger, first, JobStatus.CANCELLED)
        else:
            lose_lease(first)
            ledger.tick()
    assert take(ledger, "c").job.id == second.job.id
    assert ledger.client.hget(ledger.keys.holder + "acme/app|deploy", "job") == second.job.id.encode()


def test_nothing_is_left_of_a_group_that_nobody_is_in(ledger: Ledger) -> None:
    first, second = two(ledger)
    finish(ledger, first)
    finish(ledger, take(ledger))
    assert not list(ledger.client.scan_iter(ledger.keys.holder + "*"))
    assert not list(ledger.client.scan_iter(ledger.keys.lane + "*"))
    assert status(ledger, second) is JobStatus.SUCCESS


def test_a_lost_lease_does_not_free_the_group_for_another_job(ledger: Ledger, lose_lease: Lose) -> None:
    first, _ = two(ledger)
    lose_lease(first)
    again = take(ledger, "c")
    assert again.job.id == first.job.id
    assert join(ledger, again) is Joined.OK


def test_a_job_handed_back_keeps_its_group(ledger: Ledger) -> None:
    first, _ = two(ledger)
    ledger.release(first.job.id, first.token, "SIGTERM", refund=True)
    assert take(ledger, "c").job.id == first.job.id
    assert ledger.claim("d") is None


def test_a_pause_frees_the_group_of_a_job_that_had_not_begun(ledger: Ledger) -> None:
    first, second = two(ledger)
    finish(ledger, first)  # the second is in the stream now and has the group
    ledger.pause()
    assert status(ledger, second) is JobStatus.WAITING
    ledger.resume()
    assert join(ledger, take(ledger)) is Joined.OK


def test_groups_of_two_repositories_never_meet(ledger: Ledger) -> None:
    put(ledger, new("acme/a"), new("acme/b"))
    assert [join(ledger, take(ledger, owner)) for owner in "ab"] == [Joined.OK] * 2


def test_a_strangers_pull_request_neither_holds_up_nor_supersedes_the_repositorys_own(ledger: Ledger) -> None:
    own, forks = new(), new(ref="refs/pull/1/head")
    forks = structs.replace(forks, spec=structs.replace(forks.spec, fork="eve/app"))
    put(ledger, own)
    first = take(ledger, "a")
    assert join(ledger, first) is Joined.OK
    put(ledger, forks)
    assert join(ledger, take(ledger, "b"), supersede=True) is Joined.OK
    assert ledger.beat(first.job.id, first.token) is Beat.OK


def test_a_newer_job_supersedes_the_one_that_runs_and_follows_it(ledger: Ledger) -> None:
    first, second = two(ledger, supersede=True)
    assert ledger.beat(first.job.id, first.token) is Beat.CANCEL
    assert ledger.wanted() == 1, "not before the older one has ended"
    finish(ledger, first, JobStatus.CANCELLED)
    record = ledger.records.get(first.job.id)
    assert record is not None
    assert record.reason == f"superseded by {second.job.id}"
    assert take(ledger, "c").job.id == second.job.id


def test_a_newer_job_supersedes_those_that_wait(ledger: Ledger) -> None:
    first, second = two(ledger)
    put(ledger, new())
    assert join(ledger, take(ledger, "c"), supersede=True) is Joined.WAIT
    assert status(ledger, second) is JobStatus.CANCELLED
    assert ledger.beat(first.job.id, first.token) is Beat.CANCEL


def test_an_older_job_that_comes_to_its_group_late_is_superseded(ledger: Ledger) -> None:
    put(ledger, new(), new())
    older, newer = take(ledger, "a"), take(ledger, "b")
    assert join(ledger, newer, supersede=True) is Joined.OK
    for _ in range(2):  # the answer may be lost
        assert join(ledger, older, supersede=True) is Joined.CANCELLED
    assert status(ledger, older) is JobStatus.CANCELLED
    assert ledger.beat(newer.job.id, newer.token) is Beat.OK


def test_a_repeated_question_is_answered_as_before(ledger: Ledger) -> None:
    first, second = two(ledger)
    assert join(ledger, first) is Joined.OK
    assert join(ledger, second) is Joined.WAIT
    events = ledger.client.xlen(ledger.keys.events)
    assert join(ledger, second) is Joined.WAIT
    assert ledger.client.xlen(ledger.keys.events) == events


def test_an_agent_speaks_only_for_its_own_job(ledger: Ledger) -> None:
    first, second = two(ledger)
    for job, token in ((first.job.id, second.token), (second.job.id, "x" * 32), ("none", first.token)):
        with pytest.raises(StaleTokenError):
            ledger.join(job, token, "deploy", supersede=True)
    assert ledger.beat(first.job.id, first.token) is Beat.OK


def test_a_job_that_was_cancelled_meanwhile_does_not_wait(ledger: Ledger) -> None:
    put(ledger, new(), new())
    first, second = take(ledger, "a"), take(ledger, "b")
    join(ledger, first)
    ledger.cancel(second.job.id)
    assert join(ledger, second) is Joined.CANCELLED


def test_a_job_that_was_cancelled_meanwhile_calls_nobody_off(ledger: Ledger) -> None:
    put(ledger, new(), new())
    runs, cancelled = take(ledger, "a"), take(ledger, "b")
    join(ledger, runs)
    ledger.cancel(cancelled.job.id, "ada")
    assert join(ledger, cancelled, supersede=True) is Joined.CANCELLED
    assert ledger.beat(runs.job.id, runs.token) is Beat.OK


def test_a_job_that_was_cancelled_meanwhile_does_not_take_a_group_that_is_free(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    ledger.cancel(claim.job.id)
    for _ in range(2):  # the answer may be lost
        assert join(ledger, claim) is Joined.CANCELLED
    assert status(ledger, claim) is JobStatus.CANCELLED
    assert not list(ledger.client.scan_iter(ledger.keys.holder + "*"))


def test_the_limits_count_jobs_of_groups_as_any_other(ledger: Ledger) -> None:
    first, second = two(ledger)
    ledger.set_limit("repo", "acme/app", 1)
    depth = ledger.depth()
    assert (depth.repos, depth.claimed_repos) == ({"acme/app": 1}, {"acme/app": 1})
    put(ledger, new())
    finish(ledger, first)
    assert ledger.wanted() == 1
    assert take(ledger).job.id == second.job.id
