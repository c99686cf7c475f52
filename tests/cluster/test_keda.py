"""Real KEDA with the emitted ScaledJob: as many agents as there is work, never too many, none is ever taken away."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from raibid.contract import GROUP, STREAM, AclUser, Secrets
from raibid.model.job import JobStatus
from raibid.scaler.arithmetic import jobs_to_create
from raibid.scaler.simulate import Setup, simulate

from components import redis
from components.agent_pod import NAMESPACE
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.keda import Keda, Poll
from tests.cluster.pools.pool_by_hand import PoolByHand
from tests.waiting import until

pytestmark = pytest.mark.timeout(400)
LEASE: Final = 6.0
OUTAGE: Final = 60.0


@pytest.fixture(scope="module")
def keda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keda]:
    with ControlPlane(tmp_path_factory.mktemp("keda")) as plane:
        operator = Keda(plane, NAMESPACE)
        operator.install()
        with operator:
            yield operator


@pytest.fixture
def unwatched(keda: Keda, tmp_path: Path) -> Iterator[PoolByHand]:
    """A pool that nobody starts agents for."""
    with PoolByHand(keda.plane, tmp_path, lease=LEASE) as pool:
        yield pool


@pytest.fixture
def pool(unwatched: PoolByHand, keda: Keda) -> PoolByHand:
    """A pool that KEDA has taken over, with the ScaledJob as it is emitted."""
    began = time.time()
    unwatched.apply()
    # It looks twice at once when it takes a ScaledJob over, the second time without having seen its own first Job.
    keda.await_polls(3, after=began)
    return unwatched


def all_succeeded(pool: PoolByHand, jobs: list[str]) -> bool:
    return all(pool.job(job).status is JobStatus.SUCCESS for job in jobs)


def differing(pool: PoolByHand, polls: list[Poll]) -> list[Poll]:
    """Polls at which KEDA created another number of Jobs than our arithmetic says."""
    return [
        poll
        for poll in polls
        if poll.created
        != jobs_to_create(pool.scaling, metric=poll.metric or 0, running=poll.running, pending=poll.pending)
    ]


def test_one_queued_job_starts_exactly_one_agent_and_then_none(pool: PoolByHand, keda: Keda) -> None:
    jobs = pool.enqueue()
    pool.await_ended(jobs)
    pool.await_zero()
    keda.await_polls(2, after=time.time())
    assert len(pool.jobs.seen) == 1
    assert all_succeeded(pool, jobs)


def test_twenty_at_once_get_twenty_agents_and_never_more_than_fit(pool: PoolByHand, keda: Keda) -> None:
    began = time.time()
    pool.builders.seconds = 3.0
    jobs = pool.enqueue(20)
    pool.await_ended(jobs)
    pool.await_zero()
    polls = keda.await_polls(len(keda.polls(after=began)), after=began)
    assert (len(pool.jobs.seen), pool.jobs.peak, pool.builders.idle) == (20, pool.most, [])
    assert all_succeeded(pool, jobs)
    assert sum(poll.created for poll in polls) == 20
    assert differing(pool, polls) == []
    foretold = simulate((0.0,) * 20, Setup(max_replicas=pool.most, build=pool.builders.seconds))
    assert (foretold.agents, foretold.peak, foretold.wasted) == (20, pool.jobs.peak, 0)


@pytest.mark.parametrize(
    "trigger",
    [
        pytest.param({"consumerGroup": GROUP, "pendingEntriesCount": "1"}, id="the-brief"),
        pytest.param({"consumerGroup": GROUP, "streamLength": "1"}, id="a-group-beside-streamLength"),
    ],
)
def test_a_trigger_with_a_consumer_group_never_starts_anything(
    unwatched: PoolByHand, keda: Keda, trigger: Mapping[str, str]
) -> None:
    began = time.time()
    # With the rights that it takes: the pool's own user of KEDA's would be refused, and that proves nothing.
    may = {"username": AclUser.API, "password": redis.password_label(AclUser.API)}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": Secrets.REDIS_KEDA, "namespace": NAMESPACE}}
    keda.plane.apply({**secret, "stringData": may})
    (emitted,) = unwatched.scaled_job["spec"]["triggers"]
    address = emitted["metadata"]["address"]
    unwatched.apply(triggers=[{**emitted, "metadata": {"address": address, "stream": STREAM, **trigger}}])
    unwatched.enqueue(3)
    assert unwatched.ledger.wanted() == 3
    polls = keda.await_polls(8, after=began)
    assert {poll.metric for poll in polls} == {0}
    assert not unwatched.jobs.seen


def test_the_jobs_of_killed_agents_are_done_by_others(pool: PoolByHand) -> None:
    pool.builders.gate.clear()
    jobs = pool.enqueue(3)
    first, second, _ = pool.await_builds(3)
    pool.hands.kill(first)
    pool.hands.kill(second)
    pool.builders.gate.set()
    pool.await_ended(jobs)
    pool.await_zero()
    assert all_succeeded(pool, jobs)
    assert sorted(pool.job(job).attempt for job in jobs) == [1, 2, 2]
    assert (len(pool.jobs.seen), pool.builders.idle) == (5, [])


def test_a_cancelled_job_frees_its_agent_or_never_gets_one(pool: PoolByHand) -> None:
    pool.builders.gate.clear()
    *running, waiting = pool.enqueue(pool.most + 1)
    pool.await_builds(pool.most)
    assert pool.ledger.cancel(waiting) is JobStatus.CANCELLED
    assert pool.ledger.cancel(running[0]) is JobStatus.RUNNING
    pool.await_ended([running[0]])
    pool.builders.gate.set()
    pool.await_ended(running)
    pool.await_zero()
    assert pool.job(running[0]).status is JobStatus.CANCELLED
    assert all_succeeded(pool, running[1:])
    assert len(pool.jobs.seen) == pool.most


def test_while_redis_is_away_none_is_started_and_none_taken_and_then_all_is_done(pool: PoolByHand, keda: Keda) -> None:
    pool.builders.gate.clear()
    jobs = pool.enqueue(pool.most + 3)
    pool.await_builds(pool.most)
    pool.redis.kill()
    began = time.time()
    until(lambda: keda.polls(after=began + OUTAGE), "KEDA looks in vain for as long", OUTAGE + 60)
    assert {poll.metric for poll in keda.polls(after=began)} == {None}
    assert (len(pool.jobs.seen), pool.jobs.deleted) == (pool.most, [])
    pool.redis.start()
    pool.builders.gate.set()
    pool.await_ended(jobs)
    pool.await_zero()
    assert all_succeeded(pool, jobs)
    assert (pool.jobs.peak, pool.jobs.deleted) == (pool.most, [])


def test_running_agents_survive_an_edit_of_the_scaled_job(pool: PoolByHand, keda: Keda) -> None:
    pool.builders.gate.clear()
    jobs = pool.enqueue(3)
    agents = set(pool.await_builds(3))
    edited = time.time()
    target = pool.scaled_job["spec"]["jobTargetRef"]
    pool.apply(maxReplicaCount=5, jobTargetRef={**target, "ttlSecondsAfterFinished": 3600})
    keda.await_polls(4, after=edited)
    assert set(pool.hands.running) == agents
    pool.builders.gate.set()
    pool.await_ended(jobs)
    pool.await_zero()
    assert all_succeeded(pool, jobs)
    assert (len(pool.jobs.seen), pool.jobs.deleted) == (3, [])


def test_a_killed_keda_goes_on_where_it_was(pool: PoolByHand, keda: Keda) -> None:
    pool.builders.gate.clear()
    jobs = pool.enqueue(pool.most + 5)
    pool.await_builds(pool.most)
    keda.restart()
    pool.builders.gate.set()
    pool.await_ended(jobs)
    pool.await_zero()
    assert all_succeeded(pool, jobs)
    assert (pool.jobs.peak, pool.jobs.deleted) == (pool.most, [])


def test_agents_of_the_direct_scaler_are_counted_when_keda_takes_over(unwatched: PoolByHand, keda: Keda) -> None:
    unwatched.builders.gate.clear()
    jobs = unwatched.enqueue(3)
    unwatched.by_hand(3)
    unwatched.await_builds(3)
    began = time.time()
    unwatched.apply()
    polls = keda.await_polls(4, after=began)
    assert {(poll.metric, poll.running, poll.created) for poll in polls} == {(3, 3, 0)}
    unwatched.builders.gate.set()
    unwatched.await_ended(jobs)
    unwatched.await_zero()
    assert len(unwatched.jobs.seen) == 3
