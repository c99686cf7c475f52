"""How a pod ended decides over its job, once, and only while no other agent has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raibid.contract import MAX_REFUNDS, PODS_KEPT
from raibid.ledger import Beat, Claim, Ledger, StaleTokenError
from raibid.model.job import Job, JobStatus
from raibid.model.pod import PodEnding, PodVerdict

from tests.ledger.conftest import new, put, take

Lose = Callable[[Claim], None]
FAIL, LOST, NONE = PodVerdict.FAIL, PodVerdict.LOST, PodVerdict.NONE

OOM = PodEnding(
    pod="agent", reason="OOMKilled", message="over 4Gi", node="dgx", phase="Failed", exit_code=137,
    started=1795258000.25, finished=1795258778.5, events=("BackOff: x", "Killing: y"),
)  # fmt: skip
CRASH = PodEnding(pod="agent", reason="Error", exit_code=1)
EVICTED = PodEnding(pod="agent", reason="Evicted", message="node low on memory", disruption=True)


def of(pod: str, ending: PodEnding = EVICTED) -> PodEnding:
    return msgspec.structs.replace(ending, pod=pod)


def record(ledger: Ledger, job_id: str) -> Job:
    job = ledger.records.get(job_id)
    assert job is not None
    return job


def log(ledger: Ledger, job_id: str) -> list[tuple[str, str]]:
    return [(c.step, c.data.decode()) for c in ledger.logs.read(job_id) if not c.end]


def one(ledger: Ledger, owner: str = "agent", **kw: Any) -> Claim:
    put(ledger, new(**kw))
    return take(ledger, owner)


def test_a_pod_out_of_memory_fails_its_running_job_with_the_kubernetes_reason(ledger: Ledger) -> None:
    job_id = one(ledger).job.id
    assert ledger.pod_ended(OOM, FAIL) is JobStatus.FAILED
    job = record(ledger, job_id)
    assert job.reason == "OOMKilled (exit code 137): over 4Gi"
    assert job.report is not None
    assert (job.report.reason, job.report.exit_code, job.report.seconds) == (job.reason, 137, 778.25)
    assert job.pods == (msgspec.structs.replace(OOM, attempt=1),)
    assert ledger.why(job_id).sentence == "failed: OOMKilled (exit code 137): over 4Gi"
    assert ledger.depth().stream == 0


def test_the_post_mortem_stands_in_the_log_before_its_end(ledger: Ledger) -> None:
    claim = one(ledger)
    ledger.logs.append(claim.job.id, claim.token, b"linking ...", step="build")
    ledger.pod_ended(OOM, FAIL)
    *_, last, end = ledger.logs.read(claim.job.id)
    assert (last.step, last.attempt, end.end) == ("pod", 1, "failed")
    sentence = "agent agent on dgx ended: OOMKilled (exit code 137): over 4Gi"
    assert last.data.decode() == f"\n{sentence}\nBackOff: x\nKilling: y\n"
    assert record(ledger, claim.job.id).log_bytes == len("linking ...") + len(last.data)


def test_an_agent_that_lives_after_its_pods_end_is_fenced_off(ledger: Ledger) -> None:
    claim = one(ledger)
    ledger.pod_ended(OOM, FAIL)
    assert ledger.beat(claim.job.id, claim.token) is Beat.STALE
    with pytest.raises(StaleTokenError):
        ledger.finish(claim.job.id, claim.token, JobStatus.FAILED)
    with pytest.raises(StaleTokenError):
        ledger.logs.append(claim.job.id, claim.token, b"again", number=1)


def test_a_lost_pods_job_is_free_at_once_without_waiting_out_the_lease(ledger: Ledger) -> None:
    first = one(ledger)
    assert ledger.pod_ended(CRASH, LOST) is JobStatus.QUEUED
    again = take(ledger, "b")
    assert (again.job.id, again.job.attempt, again.job.refunds) == (first.job.id, 2, 0)
    assert ledger.beat(first.job.id, first.token) is Beat.STALE


def test_a_disruption_gives_the_attempt_back_as_often_as_a_sigterm_does(ledger: Ledger) -> None:
    put(ledger, new())
    attempts = []
    for n in range(MAX_REFUNDS + 2):
        attempts.append(take(ledger, f"a{n}").job.attempt)
        ledger.pod_ended(of(f"a{n}"), LOST)
    assert attempts == [1] * (MAX_REFUNDS + 1) + [2]


def test_a_crash_uses_up_attempts_until_the_job_is_buried(ledger: Ledger) -> None:
    (job_id,) = put(ledger, new(max_attempts=2))
    for n in range(2):
        take(ledger, f"a{n}")
        ledger.pod_ended(of(f"a{n}", CRASH), LOST)
    assert ledger.claim("c") is None
    job = record(ledger, job_id)
    assert (job.status, [p.attempt for p in job.pods]) == ("dead", [1, 2])
    assert ledger.why(job_id).sentence == "dead: infrastructure failed 2 times; at last: Error (exit code 1)"


def test_a_pod_told_twice_counts_once(ledger: Ledger) -> None:
    job_id = one(ledger).job.id
    assert [ledger.pod_ended(EVICTED, LOST) for _ in range(2)] == [JobStatus.QUEUED] * 2
    take(ledger, "b")
    assert ledger.pod_ended(EVICTED, FAIL) is JobStatus.RUNNING
    job = record(ledger, job_id)
    assert (len(job.pods), job.refunds, len(log(ledger, job_id))) == (1, 1, 1)


def test_a_pod_whose_job_another_agent_has_is_only_recorded(ledger: Ledger, lose_lease: Lose) -> None:
    claim = one(ledger)
    lose_lease(claim)
    heir = take(ledger, "b")
    assert ledger.pod_ended(OOM, FAIL) is JobStatus.RUNNING
    assert ledger.beat(heir.job.id, heir.token) is Beat.OK
    assert [p.pod for p in record(ledger, heir.job.id).pods] == ["agent"]
    assert "; before that, agent agent on dgx ended: OOMKilled" in ledger.why(heir.job.id).sentence


def test_an_unknown_pod_has_no_job(ledger: Ledger) -> None:
    one(ledger)
    assert ledger.pod_ended(of("a-stranger"), FAIL) is None


@pytest.mark.parametrize("gate", ["open", "paused"])
def test_a_job_handed_back_just_before_its_pods_own_end_fails_too(ledger: Ledger, gate: str) -> None:
    # DeadlineExceeded: the kubelet sends SIGTERM first, so the agent has released when the pod's end is seen.
    claim = one(ledger)
    if gate == "paused":
        ledger.pause()
    ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True)
    assert ledger.pod_ended(of("agent", OOM), FAIL) is JobStatus.FAILED
    depth = ledger.depth()
    assert (depth.stream, depth.pending, depth.waiting) == (0, 0, 0)
    with pytest.raises(StaleTokenError):
        ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)


def test_a_job_handed_back_before_its_pods_own_end_fails_although_an_heir_has_it(ledger: Ledger) -> None:
    # An idle agent takes it in the second between the SIGTERM and the controller's word, and would end the same way.
    claim = one(ledger)
    ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True)
    heir = take(ledger, "heir")
    assert ledger.pod_ended(of("agent", OOM), FAIL) is JobStatus.FAILED
    assert ledger.beat(heir.job.id, heir.token) is Beat.STALE
    assert ledger.depth().stream == 0
    assert ledger.claim("third") is None


def test_an_heir_whose_job_somebody_cancelled_loses_it_as_cancelled(ledger: Ledger) -> None:
    claim = one(ledger)
    ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True)
    take(ledger, "heir")
    ledger.cancel(claim.job.id)
    assert ledger.pod_ended(of("agent", OOM), FAIL) is JobStatus.CANCELLED


@pytest.mark.parametrize("verdict", [LOST, NONE])
def test_an_heir_keeps_the_job_of_a_pod_that_failed_through_no_fault_of_the_jobs(
    ledger: Ledger, verdict: PodVerdict
) -> None:
    claim = one(ledger)
    ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True)
    heir = take(ledger, "heir")
    assert ledger.pod_ended(EVICTED, verdict) is JobStatus.RUNNING
    assert ledger.beat(heir.job.id, heir.token) is Beat.OK


def test_a_job_handed_back_by_a_lost_pod_gets_the_reason_and_no_second_refund(ledger: Ledger) -> None:
    claim = one(ledger)
    ledger.release(claim.job.id, claim.token, "SIGTERM", refund=True)
    assert ledger.pod_ended(EVICTED, LOST) is JobStatus.QUEUED
    job = record(ledger, claim.job.id)
    assert (job.reason, job.refunds) == ("Evicted: node low on memory", 1)
    assert "before that, agent agent ended: Evicted: node low on memory" in ledger.why(claim.job.id).sentence


@pytest.mark.parametrize("verdict", [FAIL, LOST])
def test_a_cancelled_job_ends_as_cancelled_with_its_pod(ledger: Ledger, verdict: PodVerdict) -> None:
    job_id = one(ledger).job.id
    ledger.cancel(job_id)
    assert ledger.pod_ended(EVICTED, verdict) is JobStatus.CANCELLED
    assert record(ledger, job_id).reason == "cancelled; Evicted: node low on memory"


def test_a_lost_job_waits_when_it_may_not_run_now(ledger: Ledger) -> None:
    job_id = one(ledger).job.id
    ledger.pause()
    assert ledger.pod_ended(EVICTED, LOST) is JobStatus.WAITING
    assert ledger.depth().stream == 0
    assert "Evicted: node low on memory" in ledger.why(job_id).sentence


def test_nothing_but_the_record_changes_without_a_verdict(ledger: Ledger) -> None:
    claim = one(ledger)
    assert ledger.pod_ended(CRASH, NONE) is JobStatus.RUNNING
    assert ledger.beat(claim.job.id, claim.token) is Beat.OK
    assert len(record(ledger, claim.job.id).pods) == 1


@pytest.mark.parametrize("verdict", PodVerdict)
def test_an_ended_job_gets_only_the_record_and_is_archived_again(ledger: Ledger, verdict: PodVerdict) -> None:
    claim = one(ledger)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    ledger.records.archived(claim.job.id, record(ledger, claim.job.id))
    before = ledger.logs.read(claim.job.id)
    assert ledger.pod_ended(CRASH, verdict) is JobStatus.SUCCESS
    assert ledger.logs.read(claim.job.id) == before
    assert ledger.records.unarchived() == [claim.job.id]
    assert ledger.client.ttl(ledger.keys.log + claim.job.id) > 3600, "it may not expire while it is archived again"


def test_a_post_mortem_that_comes_while_its_job_is_archived_is_archived_too(ledger: Ledger) -> None:
    claim = one(ledger)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    as_read = record(ledger, claim.job.id)
    ledger.pod_ended(CRASH, NONE)
    assert not ledger.records.archived(claim.job.id, as_read)
    assert ledger.records.unarchived() == [claim.job.id]
    assert ledger.records.archived(claim.job.id, record(ledger, claim.job.id)), "now it is the first time"
    assert not ledger.records.archived(claim.job.id, record(ledger, claim.job.id)), "and that is counted once"


def test_a_job_keeps_a_post_mortem_per_start_it_can_have_and_no_more(ledger: Ledger) -> None:
    (job_id,) = put(ledger, new(max_attempts=50))
    for n in range(PODS_KEPT + 2):
        take(ledger, f"a{n}")
        ledger.pod_ended(of(f"a{n}", CRASH), LOST)
    assert [p.pod for p in record(ledger, job_id).pods] == [f"a{n}" for n in range(2, PODS_KEPT + 2)]


def test_an_agent_that_lived_on_and_took_another_job_is_asked_about_that_one(ledger: Ledger) -> None:
    first, second = put(ledger, new(), new())
    claim = take(ledger)
    ledger.finish(first, claim.token, JobStatus.SUCCESS)
    take(ledger)
    assert ledger.pod_ended(OOM, FAIL) is JobStatus.FAILED
    assert (record(ledger, first).pods, len(record(ledger, second).pods)) == ((), 1)


@given(
    st.builds(
        PodEnding,
        pod=st.just("agent"),
        reason=st.text(min_size=1),
        message=st.text(st.characters()),
        exit_code=st.none() | st.integers(0, 255),
        signal=st.integers(0, 64),
        disruption=st.booleans(),
        started=st.floats(0, 4e9),
        events=st.lists(st.text(), max_size=3).map(tuple),
    )
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_post_mortem_comes_back_as_it_was_told(ledger: Ledger, ending: PodEnding) -> None:
    job_id = one(ledger).job.id
    ledger.pod_ended(ending, FAIL)
    (told,) = record(ledger, job_id).pods
    assert told.started == pytest.approx(ending.started, abs=1e-3)
    assert msgspec.structs.replace(told, started=0.0) == msgspec.structs.replace(
        ending.bounded(), started=0.0, attempt=1
    )


def test_the_owners_are_the_agents_that_have_a_job_now(ledger: Ledger) -> None:
    put(ledger, new(), new(), new())
    done, released = take(ledger, "done"), take(ledger, "released")
    take(ledger, "at-work")
    ledger.finish(done.job.id, done.token, JobStatus.SUCCESS)
    ledger.release(released.job.id, released.token, "SIGTERM", refund=True)
    assert ledger.records.running_owners().keys() == {"at-work"}


def test_an_owner_is_known_by_its_last_beat(ledger: Ledger, lose_lease: Lose) -> None:
    claim = one(ledger)
    lose_lease(claim)
    assert ledger.records.running_owners()["agent"] >= ledger.timing.lease
    ledger.beat(claim.job.id, claim.token)
    assert ledger.records.running_owners()["agent"] < ledger.timing.lease


def test_a_full_redis_still_hears_how_pods_ended(ledger: Ledger) -> None:
    job_id = one(ledger).job.id
    ledger.client.config_set("maxmemory", 1)
    try:
        assert ledger.pod_ended(OOM, FAIL) is JobStatus.FAILED
    finally:
        ledger.client.config_set("maxmemory", 0)
    assert record(ledger, job_id).pods
