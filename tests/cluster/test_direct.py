"""`scaler: direct` on a real API server: the emitted template, account and rights; Kubernetes' own Job controller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from lightkube.resources.batch_v1 import Job
from raibid.contract import Labels

from components import controller
from components.agent_pod import NAMESPACE
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.namespace import namespace
from tests.cluster.pools.direct_pool import MOST, RIGHTS, DirectPool, direct_tree
from tests.cluster.tree.api import Api
from tests.waiting import until


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of its own: its API server is restarted."""
    with ControlPlane(tmp_path_factory.mktemp("direct")) as plane:
        yield plane


@pytest.fixture
def pool(plane: ControlPlane, tmp_path: Path) -> Iterator[DirectPool]:
    with DirectPool(plane, tmp_path) as pool:
        yield pool


def jobs_of(pool: DirectPool) -> list[Job]:
    return list(pool.plane.client().list(Job, namespace=NAMESPACE, labels={Labels.SCALED_JOB: "ci-agent"}))


def names(jobs: list[Job]) -> set[str | None]:
    return {job.metadata.name for job in jobs if job.metadata}


def test_twenty_jobs_at_once_become_twenty_jobs_and_never_more_than_max(pool: DirectPool) -> None:
    pool.hand.await_ended(pool.hand.enqueue(20))
    pool.hand.await_zero()
    assert len(pool.hand.jobs.seen) == 20
    assert pool.hand.jobs.peak == MOST
    assert not pool.hand.builders.idle


def test_keda_would_count_every_job_and_removing_the_template_removes_them(pool: DirectPool) -> None:
    pool.hand.await_ended(pool.hand.enqueue(3))
    jobs = jobs_of(pool)
    assert len(jobs) == 3
    owners = {(o.kind, o.name, o.controller) for j in jobs for o in (j.metadata and j.metadata.ownerReferences) or ()}
    assert owners == {("CronJob", "ci-agent", None)}
    pool.plane.kubectl("delete", "cronjob", "ci-agent", f"--namespace={NAMESPACE}")
    until(lambda: not jobs_of(pool), "the garbage collector has removed the Jobs")


def test_a_finished_job_goes_when_its_time_is_over(pool: DirectPool) -> None:
    pool.plane.apply(pool.template(ttlSecondsAfterFinished=1))
    pool.hand.await_ended(pool.hand.enqueue(3))
    until(lambda: not jobs_of(pool), "the TTL controller has removed all Jobs")
    pool.hand.await_ended(pool.hand.enqueue(1))


def test_of_finished_jobs_the_newest_stay_to_be_looked_at(pool: DirectPool) -> None:
    pool.hand.await_ended(pool.hand.enqueue(5))
    pool.hand.await_zero()
    older = set(pool.hand.jobs.seen)
    assert len(older) == 5
    pool.hand.await_ended(pool.hand.enqueue(5))
    until(lambda: names(jobs_of(pool)) == set(pool.hand.jobs.seen) - older, "the five newest Jobs are all that is kept")


def test_warm_agents_wait_for_work(pool: DirectPool) -> None:
    pool.plane.apply(pool.template(least=2))
    until(lambda: len(pool.hand.jobs.unfinished) == 2, "two agents without any work")


def test_a_controller_that_is_killed_in_the_middle_costs_nothing_but_time(pool: DirectPool) -> None:
    pool.hand.builders.gate.clear()
    jobs = pool.hand.enqueue(20)
    until(lambda: len(pool.hand.jobs.seen) >= 3, "some Jobs are there")
    pool.controller.kill()
    pool.hand.builders.gate.set()
    until(lambda: pool.hand.builders.builds, "agents work on")
    pool.controller.start()
    pool.hand.await_ended(jobs)
    pool.hand.await_zero()
    assert len(pool.hand.jobs.seen) == 20
    assert pool.hand.jobs.peak <= MOST


def test_two_controllers_together_create_no_job_too_many(pool: DirectPool) -> None:
    with pool.another_controller() as other:
        pool.hand.await_ended(pool.hand.enqueue(20))
        pool.hand.await_zero()
        assert other.pid
    assert len(pool.hand.jobs.seen) == 20
    assert pool.hand.jobs.peak == MOST


def test_an_api_server_that_restarts_in_the_middle_loses_nothing(pool: DirectPool) -> None:
    pool.hand.builders.gate.clear()
    jobs = pool.hand.enqueue(20)
    until(lambda: len(pool.hand.builders.builds) == MOST, "all agents work")
    pool.plane.apiserver.restart()
    pool.hand.builders.gate.set()
    pool.hand.await_ended(jobs)
    pool.hand.await_zero()
    assert len(pool.hand.jobs.seen) == 20
    assert pool.hand.jobs.peak == MOST


def test_redis_that_goes_makes_no_job_and_ends_none(pool: DirectPool) -> None:
    pool.hand.builders.gate.clear()
    jobs = pool.hand.enqueue(10)
    until(lambda: len(pool.hand.builders.builds) == MOST, "all agents work")
    pool.hand.redis.kill()
    until(lambda: '"kind":"trouble"' in pool.controller.said(), "the controller has noticed")
    assert len(pool.hand.jobs.unfinished) == MOST
    pool.hand.redis.start()
    pool.hand.builders.gate.set()
    pool.hand.await_ended(jobs)
    assert not pool.hand.jobs.deleted
    assert pool.hand.jobs.peak == MOST


@pytest.mark.parametrize(
    ("allowed", "what"),
    [
        (True, {"verb": "create", "group": "batch", "resource": "jobs", "namespace": NAMESPACE}),
        (True, {"verb": "watch", "resource": "pods", "namespace": NAMESPACE}),
        (False, {"verb": "delete", "resource": "pods", "namespace": NAMESPACE}),
        (False, {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": NAMESPACE}),
        (False, {"verb": "get", "resource": "secrets", "namespace": NAMESPACE}),
        (False, {"verb": "update", "group": "batch", "resource": "cronjobs", "namespace": NAMESPACE}),
        (False, {"verb": "list", "resource": "pods"}),
    ],
)
def test_it_may_do_what_it_needs_and_nothing_else(plane: ControlPlane, allowed: bool, what: Mapping[str, str]) -> None:
    rights = [item.manifest for item in direct_tree().applied if item.manifest["kind"] in RIGHTS]
    plane.apply(namespace(NAMESPACE), *(item for item in rights if item["metadata"].get("namespace") == NAMESPACE))
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{NAMESPACE}:{controller.NAME}",
            "resourceAttributes": dict(what),
        },
    }
    answer = Api(plane).post("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert answer.accepted, answer.said
    assert answer.body["status"]["allowed"] is allowed
