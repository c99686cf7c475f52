"""Pods end, or cannot start, as kubelets report it; a real API server tells the real controller, which tells the job.

A real kubelet's reports are in `test_endings.py`; here the statuses are those of tests/controller/fixtures/pods.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from lightkube.resources.batch_v1 import Job as KubeJob
from lightkube.resources.core_v1 import Pod
from lightkube.types import PatchType
from raibid.model.job import Job, JobStatus

from components.agent_pod import NAMESPACE
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.pools.direct_pool import DirectPool
from tests.controller.pod_files import pod
from tests.waiting import until


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectPool]:
    """Without kubelets, but with the scheduler: pods stay where a test leaves them."""
    directory = tmp_path_factory.mktemp("pod-ends")
    with (
        ControlPlane(directory / "plane", scheduler=True) as plane,
        DirectPool(plane, directory, kubelets=False, lease=5.0) as pool,
    ):
        yield pool


@pytest.fixture
def queued(pool: DirectPool) -> Iterator[str]:
    """One job that waits for an agent; nothing of it is left for the next test."""
    (job,) = pool.hand.enqueue()
    yield job
    pool.hand.ledger.cancel(job)  # a running one ends when the controller sees that its pod is gone
    pool.plane.kubectl("delete", "resourcequota,jobs.batch", "--all", f"--namespace={NAMESPACE}")
    until(lambda: pool.hand.job(job).status.terminal, "the job has ended")
    pool.plane.kubectl("delete", "jobs.batch", "--all", f"--namespace={NAMESPACE}")
    until(lambda: not pending(pool), "no pod is left")


def pending(pool: DirectPool) -> list[str]:
    found = pool.plane.client().list(Pod, namespace=NAMESPACE)
    return [str(p.metadata.name) for p in found if p.metadata and p.status and p.status.phase == "Pending"]


def running(pool: DirectPool, job: str) -> str:
    """The agent's pod, once it has taken the job."""
    agent: str = until(partial(pending, pool), "a pod for the job")[0]
    # A job that was given back is offered once Redis has been up for a lease.
    claim = until(lambda: pool.hand.ledger.claim(agent), "the agent gets a job", 60.0)
    assert claim
    assert claim.job.id == job
    return agent


def report(pool: DirectPool, agent: str, how: str) -> None:
    """What a kubelet would say."""
    status = pod(how).status
    assert status
    # Conditions of its own come with theirs; a merge patch would replace the scheduler's.
    pool.plane.client().patch(
        Pod.Status, agent, {"status": status.to_dict()}, namespace=NAMESPACE, patch_type=PatchType.MERGE
    )


def told(pool: DirectPool, job: str) -> Job:
    until(lambda: pool.hand.job(job).pods, "the job's record knows how its pod ended")
    return pool.hand.job(job)


def log_of(pool: DirectPool, job: str) -> str:
    return b"".join(chunk.data for chunk in pool.hand.ledger.logs.read(job)).decode()


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("oom-killed", "OOMKilled (exit code 137)"),
        ("deadline-exceeded", "DeadlineExceeded"),
        ("evicted-own-scratch", "Evicted"),
        ("evicted-emptydir", "Evicted"),
    ],
)
def test_the_builds_own_doing_fails_the_job(pool: DirectPool, queued: str, how: str, reason: str) -> None:
    report(pool, running(pool, queued), how)
    job = told(pool, queued)
    assert job.status is JobStatus.FAILED
    assert job.reason.startswith(reason)
    assert reason in log_of(pool, queued)
    assert reason in pool.hand.ledger.why(queued).sentence


@pytest.mark.parametrize(
    ("how", "reason", "refunds"),
    [
        ("evicted-memory-pressure", "Evicted", 1),
        ("preempted-by-kubelet", "Preempting", 1),
        ("node-shut-down", "Terminated", 1),
        ("crashed-exit-1", "Error", 0),
    ],
)
def test_the_clusters_misfortune_gives_the_job_to_another_agent(
    pool: DirectPool, queued: str, how: str, reason: str, refunds: int
) -> None:
    first = running(pool, queued)
    report(pool, first, how)
    job = told(pool, queued)
    assert (job.pods[0].pod, job.pods[0].reason, job.refunds) == (first, reason, refunds)
    assert reason in log_of(pool, queued)
    until(lambda: set(pending(pool)) - {first}, "another agent's pod")
    assert running(pool, queued) != first


def test_a_pod_that_is_deleted_gives_its_job_back(pool: DirectPool, queued: str) -> None:
    agent = running(pool, queued)
    pool.plane.kubectl("delete", "pod", agent, f"--namespace={NAMESPACE}", "--grace-period=0", "--force")
    assert told(pool, queued).pods[0].reason == "Deleted"


def test_a_pod_that_vanishes_while_no_controller_watches_gives_its_job_back(pool: DirectPool, queued: str) -> None:
    agent = running(pool, queued)
    pool.controller.kill()
    pool.plane.kubectl("delete", "jobs.batch", "--all", f"--namespace={NAMESPACE}")
    until(lambda: not pending(pool), "no pod is left")
    assert pool.hand.job(queued).status is JobStatus.RUNNING
    pool.controller.start()
    assert told(pool, queued).pods[0].reason == "Gone"
    assert agent in log_of(pool, queued)


def test_an_end_that_nobody_saw_is_told_by_the_next_controller(pool: DirectPool, queued: str) -> None:
    agent = running(pool, queued)
    pool.controller.kill()
    report(pool, agent, "oom-killed")
    pool.controller.start()
    assert told(pool, queued).status is JobStatus.FAILED


def test_the_scheduler_has_no_place_and_the_job_says_so(pool: DirectPool, queued: str) -> None:
    until(lambda: "Unschedulable" in pool.hand.ledger.why(queued).sentence, "`why` has the scheduler's word")
    assert "no nodes available" in log_of(pool, queued)


@pytest.mark.parametrize("how", ["image-missing", "image-never-pull", "config-missing"])
def test_what_keeps_an_agent_from_starting_is_said_until_it_starts(pool: DirectPool, queued: str, how: str) -> None:
    agent: str = until(partial(pending, pool), "a pod for the job")[0]
    waiting = pod(how).status
    assert waiting
    assert waiting.containerStatuses
    assert waiting.containerStatuses[0].state
    assert waiting.containerStatuses[0].state.waiting
    word = str(waiting.containerStatuses[0].state.waiting.reason)
    report(pool, agent, how)
    until(lambda: word in pool.hand.ledger.why(queued).sentence, f"`why` says {word}")
    report(pool, agent, "running")
    until(lambda: word not in pool.hand.ledger.why(queued).sentence, "the note is gone")
    assert word in log_of(pool, queued)


def test_over_quota_is_said(pool: DirectPool, queued: str) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": NAMESPACE}}
    pool.plane.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    pool.plane.kubectl("delete", "jobs.batch,pods", "--all", f"--namespace={NAMESPACE}")
    until(lambda: list(pool.plane.client().list(KubeJob, namespace=NAMESPACE)), "the controller makes a Job again")
    until(lambda: "exceeded quota" in pool.hand.ledger.why(queued).sentence, "`why` has the quota's word")
