"""Pods as they really end: each ending brings its job into the right state, and says why in Kubernetes' own words.

Real kubelet, real agents in the emitted pod, the real controller with the emitted rights and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from raibid.model.job import JobStatus

from components.agent_pod import NAME, NAMESPACE
from tests.cluster.node.image_archive import PAUSE
from tests.cluster.node.node import why_not
from tests.cluster.pools.pool import Pool
from tests.cluster.pools.world import PATIENCE, WAITS, World
from tests.waiting import until

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

SLEEPS = "steps:\n  - name: sleeps\n    run: sleep 600\n"
PASSES = "steps:\n  - name: passes\n    run: 'true'\n"
GREEDY = "python3 -c \"x = b'x' * (1 << 30)\""

MANY = """\
      for process in $(seq 20); do
        python3 -c "import time; x = b'x' * (12 << 20); time.sleep(600)" &
      done
      wait
"""


@contextmanager
def agents_with(pool: Pool, **changes: Any) -> Iterator[None]:
    """Other values in the pod that the template starts; the template is as emitted afterwards."""
    kept = json.loads(pool.control_plane.kubectl("get", "cronjob", NAME, f"--namespace={NAMESPACE}", "--output=json"))
    path = "/spec/jobTemplate/spec/template/spec"
    before = kept["spec"]["jobTemplate"]["spec"]["template"]["spec"]

    def patch(values: Mapping[str, Any]) -> None:
        steps = [{"op": "replace", "path": f"{path}/{name}", "value": value} for name, value in values.items()]
        pool.control_plane.kubectl(
            "patch", "cronjob", NAME, f"--namespace={NAMESPACE}", "--type=json", f"--patch={json.dumps(steps)}"
        )

    patch(changes)
    try:
        yield
    finally:
        patch({name: before[name] for name in changes})


def test_a_step_that_takes_too_much_memory_dies_alone_and_its_agent_reports_it(world: World) -> None:
    """What `singleProcessOOMKill` of the emitted kubelet configuration is for."""
    job_id = world.enqueue("greedy", f"steps:\n  - name: eats\n    run: {GREEDY}\n")
    job = world.reaches(job_id, JobStatus.FAILED)
    assert job.attempt == 1
    assert job.report
    assert (job.report.failed_step, job.report.exit_code) == ("eats", -9)
    assert "killed by signal 9" in job.report.reason
    assert "killed by signal 9" in world.why(job_id)
    assert not job.pods


def test_an_agent_that_is_killed_for_memory_fails_its_job_for_good(world: World) -> None:
    # The kernel takes the largest process: among many small ones that is the agent.
    job_id = world.enqueue("killer", f"steps:\n  - name: eats\n    run: |\n{MANY}")
    assert world.reaches(job_id, JobStatus.FAILED, JobStatus.SUCCESS).status is JobStatus.FAILED
    job = world.told(job_id, "OOMKilled")
    assert [(ending.reason, ending.exit_code, ending.attempt) for ending in job.pods] == [("OOMKilled", 137, 1)]


def test_a_job_beyond_its_pods_deadline_fails_for_good(world: World) -> None:
    with agents_with(world.pool, activeDeadlineSeconds=10):
        job_id = world.enqueue("late", SLEEPS)
        world.reaches(job_id, JobStatus.FAILED)
    job = world.told(job_id, "DeadlineExceeded")
    assert [(ending.reason, ending.attempt) for ending in job.pods] == [("DeadlineExceeded", 1)]


def test_a_build_that_fills_its_scratch_beyond_the_limit_fails_for_good(world: World) -> None:
    fills = "dd if=/dev/zero of=/tmp/fills bs=1M count=192 && sleep 600"
    job_id = world.enqueue("fills", f"steps:\n  - name: fills\n    run: {fills}\n")
    world.reaches(job_id, JobStatus.FAILED)
    job = world.told(job_id, "Evicted", "exceeds the")
    assert [(ending.reason, ending.attempt) for ending in job.pods] == [("Evicted", 1)]


def test_a_drained_agent_hands_its_job_to_the_next(world: World) -> None:
    job_id = world.enqueue("drained", WAITS)
    pod = world.pod_of(job_id)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    world.pool.control_plane.kubectl(
        "create", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction", "--filename=-", stdin=json.dumps(body)
    )
    redone(world, job_id, pod, "EvictionByEvictionAPI")


def test_a_deleted_agent_hands_its_job_to_the_next(world: World) -> None:
    job_id = world.enqueue("deleted", WAITS)
    pod = world.pod_of(job_id)
    world.pool.control_plane.kubectl("delete", "pod", pod, f"--namespace={NAMESPACE}", "--wait=false")
    redone(world, job_id, pod, "Deleted")


def redone(world: World, job_id: str, pod: str, reason: str) -> None:
    """Another pod does the job, and the attempt is given back: nothing of it was the job's doing."""
    until(lambda: world.job(job_id).owner not in ("", pod), "another agent has it", budget=PATIENCE)
    world.go_on.touch()
    world.reaches(job_id, JobStatus.SUCCESS)
    until(lambda: world.job(job_id).pods, "the pod's end is in the record")
    job = world.job(job_id)
    assert [(ending.pod, ending.reason) for ending in job.pods] == [(pod, reason)]
    assert reason in world.log(job_id)
    assert (job.attempt, job.refunds) == (1, 1)


def test_jobs_wait_for_a_missing_image_and_say_so(world: World) -> None:
    containerd = world.pool.node.containerd
    containerd.forget(world.pool.image)
    try:
        job_id = world.enqueue("imageless", PASSES)
        hindered(world, job_id, "ImagePull")
    finally:
        world.pool.load_images()
    world.reaches(job_id, JobStatus.SUCCESS)


def test_jobs_wait_for_room_and_say_so(world: World) -> None:
    room = world.pool.node.allocatable()["cpu"]
    most = int(room.removesuffix("m")) * (1 if room.endswith("m") else 1000)
    taken = {"name": "only", "image": PAUSE, "resources": {"requests": {"cpu": f"{most - 50}m"}}}
    kubectl = world.pool.control_plane.kubectl
    world.pool.control_plane.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "takes-all", "namespace": "default"},
            "spec": {"automountServiceAccountToken": False, "containers": [taken]},
        }
    )
    phase = ("get", "pod", "takes-all", "--output=jsonpath={.status.phase}")
    until(lambda: kubectl(*phase) == "Running", "the room is taken")
    job_id = world.enqueue("crowded", PASSES)
    hindered(world, job_id, "Insufficient cpu")
    kubectl("delete", "pod", "takes-all", "--grace-period=0", "--force")
    world.reaches(job_id, JobStatus.SUCCESS)


def hindered(world: World, job_id: str, word: str) -> None:
    """The job is queued, and everybody is told why nobody takes it."""
    job = world.told(job_id, word)
    assert job.status is JobStatus.QUEUED
    assert "cannot start" in world.why(job_id)
