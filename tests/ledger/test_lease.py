"""A job runs under a lease, and only the holder of its token may speak for it."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import redis
from raibid.ledger import Beat, Claim, Ledger, LedgerError, LedgerUnavailableError, StaleTokenError, work_stream
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobStatus, Report
from raibid.model.job_id import new_job_id
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.ledger.conftest import entry_of, new, put, take

Lose = Callable[[Claim], None]


def test_one_job_is_given_to_one_agent(ledger: Ledger) -> None:
    put(ledger, new())
    assert take(ledger, "a").job.attempt == 1
    assert ledger.claim("b") is None


def test_a_claim_whose_reply_was_lost_gives_the_same_job_again(ledger: Ledger) -> None:
    put(ledger, new(), new())
    first = ledger.claim("a", token="t")
    again = ledger.claim("a", token="t")
    assert first is not None
    assert again == first


def test_the_jobs_record_does_not_show_the_token(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    assert claim.token not in repr(claim.job)


def test_a_lost_lease_is_a_new_start_for_another_agent(ledger: Ledger, lose_lease: Lose) -> None:
    put(ledger, new())
    first = take(ledger, "a")
    lose_lease(first)
    second = take(ledger, "b")
    assert (second.job.id, second.job.attempt) == (first.job.id, 2)


def test_a_zombie_is_fenced_off_everywhere(ledger: Ledger, lose_lease: Lose) -> None:
    put(ledger, new())
    zombie = take(ledger, "a")
    lose_lease(zombie)
    holder = take(ledger, "b")
    assert ledger.beat(zombie.job.id, zombie.token) is Beat.STALE
    with pytest.raises(StaleTokenError):
        ledger.logs.append(zombie.job.id, zombie.token, b"from the grave\n")
    with pytest.raises(StaleTokenError):
        ledger.release(zombie.job.id, zombie.token, "", refund=True)
    with pytest.raises(StaleTokenError):
        ledger.finish(zombie.job.id, zombie.token, JobStatus.SUCCESS)
    ledger.finish(holder.job.id, holder.token, JobStatus.FAILED)


def test_a_beat_makes_the_lease_young_again(ledger: Ledger, lose_lease: Lose) -> None:
    put(ledger, new())
    claim = take(ledger, "a")
    lose_lease(claim)
    assert ledger.beat(claim.job.id, claim.token) is Beat.OK
    assert ledger.claim("b") is None


def test_leases_are_not_judged_just_after_redis_started(ledger: Ledger, lose_lease: Lose) -> None:
    # Idle time includes Redis' own downtime: all leases would be lost at once.
    put(ledger, new())
    lose_lease(take(ledger, "a"))
    patient = Ledger(ledger.client, stream=ledger.keys.stream)
    object.__setattr__(patient, "timing", type(ledger.timing)(lease=10**9 / 1000, beat=1))
    assert patient.claim("b") is None


def test_finish_frees_the_place_in_the_same_step(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS, Report(reason="all green", exit_code=0))
    depth = ledger.depth()
    job = ledger.records.get(claim.job.id)
    assert job is not None
    assert (depth.stream, depth.pending) == (0, 0)
    assert (job.status, job.report and job.report.reason) == (JobStatus.SUCCESS, "all green")


def test_a_finish_whose_reply_was_lost_can_be_repeated(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    for _ in range(3):
        ledger.finish(claim.job.id, claim.token, JobStatus.FAILED)
    with pytest.raises(StaleTokenError):
        ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)


def test_only_outcomes_finish_a_job(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="dead is not an outcome"):
        ledger.finish("x", "t", JobStatus.DEAD)


def test_a_released_job_is_taken_at_once_and_its_attempt_is_given_back(ledger: Ledger) -> None:
    put(ledger, new())
    first = take(ledger, "a")
    entry = entry_of(ledger, first.job.id)
    assert ledger.release(first.job.id, first.token, "SIGTERM", refund=True) is JobStatus.QUEUED
    second = take(ledger, "b")
    assert (second.job.id, second.job.attempt, second.job.refunds) == (first.job.id, 1, 1)
    assert entry_of(ledger, first.job.id) == entry, "the same entry and place"


def test_at_most_five_attempts_are_given_back(ledger: Ledger) -> None:
    put(ledger, new(max_attempts=3))
    for _ in range(7):
        claim = take(ledger)
        ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True)
    last = take(ledger)
    assert (last.job.refunds, last.job.attempt) == (5, 3)


def test_a_release_with_a_delay_is_not_taken_at_once(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger, "a")
    ledger.release(claim.job.id, claim.token, "git server answered 502", refund=False, delay=4.0)
    assert ledger.claim("b") is None
    assert ledger.depth().stream == 1, "an agent is still wanted"


def test_infrastructure_failures_use_up_the_attempts_and_then_the_job_is_buried(ledger: Ledger) -> None:
    (doomed, next_one) = put(ledger, new(max_attempts=2), new("acme/other"))
    for _ in range(2):
        claim = take(ledger)
        assert claim.job.id == doomed
        ledger.release(claim.job.id, claim.token, "no network", refund=False)
    assert take(ledger).job.id == next_one, "the same agent takes the freed place"
    job = ledger.records.get(doomed)
    assert job is not None
    assert (job.status, job.reason) == (JobStatus.DEAD, "infrastructure failed 2 times; at last: no network")
    assert ledger.records.dead_letters()[0][1]["job"] == doomed


def test_a_release_whose_reply_was_lost_can_be_repeated(ledger: Ledger) -> None:
    put(ledger, new())
    claim = take(ledger)
    assert [ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True) for _ in range(2)] == ["queued"] * 2
    assert take(ledger).job.refunds == 1


@pytest.mark.parametrize(
    "fields", [{"junk": "1"}, {"job": "no-such-job", "lane": "a|"}, {"job": "x"}, {"job": "x", "lane": "no bar"}]
)
def test_an_entry_that_means_nothing_is_dropped_and_never_blocks(ledger: Ledger, fields: dict[str, str]) -> None:
    ledger.client.xadd(ledger.keys.stream, fields)  # type: ignore[arg-type]
    (job,) = put(ledger, new())
    assert take(ledger).job.id == job
    assert ledger.depth().stream == 1


def test_an_unparseable_entry_is_kept_as_a_dead_letter(ledger: Ledger) -> None:
    ledger.client.xadd(ledger.keys.stream, {"junk": b"\xff"})
    assert ledger.claim("a") is None
    assert ledger.records.dead_letters()[0][1]["raw"] == '["junk","\\xff"]'


def test_an_unparseable_entry_wakes_no_agent_while_paused(ledger: Ledger) -> None:
    ledger.pause()
    ledger.client.xadd(ledger.keys.stream, {"junk": "1"})
    assert ledger.tick()["dropped"] == 1
    assert (ledger.depth().stream, ledger.depth().dead) == (0, 1)


def test_an_agent_that_found_nothing_leaves_no_consumer_behind(ledger: Ledger) -> None:
    ledger.claim("a")
    assert ledger.client.xinfo_consumers(ledger.keys.stream, "ci-workers") == []


def test_a_consumer_that_holds_a_lease_is_never_deleted(ledger: Ledger) -> None:
    put(ledger, new(), new("acme/b"))
    first, second = take(ledger, "a"), ledger.claim("a")
    assert second is not None
    ledger.finish(first.job.id, first.token, JobStatus.SUCCESS)
    assert ledger.beat(second.job.id, second.token) is Beat.OK
    assert ledger.depth().pending == 1


def test_the_wait_ends_when_something_is_queued(ledger: Ledger) -> None:
    before = ledger.newest()
    put(ledger, new())
    assert ledger.wait(before, timeout=60) != before


def test_a_blocking_wait_longer_than_the_command_timeout_is_no_error(redis_server: RedisServer) -> None:
    impatient = Ledger(redis.Redis.from_url(redis_server.url, socket_timeout=0.2), stream=f"t-{new_job_id()}")
    impatient.setup()
    after = impatient.newest()
    assert impatient.wait(after, timeout=0.5) == after
    impatient.close()


def test_a_wait_on_a_connection_that_nobody_answers_any_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_stream, "_LONGEST_WAIT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = redis.Redis(port=silent.getsockname()[1], socket_timeout=0.1, retry=Retry(NoBackoff(), 0))
        with pytest.raises(LedgerUnavailableError):
            Ledger(client).wait("0-0", 0.1)


def test_an_unreadable_record_is_an_error_of_the_ledger(ledger: Ledger) -> None:
    (job,) = put(ledger, new())
    ledger.client.hset(ledger.keys.job + job, "spec", "{")
    with pytest.raises(LedgerError, match="unreadable record"):
        ledger.records.get(job)
