"""A stranger's pull request in the emitted pod: containerd's seccomp profile lets the agent put up its fence."""

from __future__ import annotations

import subprocess

import pytest
from raibid.ledger import NewJob
from raibid.model.job import JobSpec, JobStatus

from tests.cluster.node.node import why_not
from tests.cluster.pools.world import World

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

BASE = """\
steps:
  - name: reach
    run: |
      ls /run/secrets/redis /run/secrets/git /run/secrets/pipelines /workspace/jobs && exit 1
      cat /run/secrets/redis/password && exit 1
      cat /proc/1/environ && exit 1
      kill -0 1 && exit 1
      touch /workspace/.cargo/evil && exit 1
      touch /workspace/evil && exit 1
      id -u
  - name: build
    run: |
      cargo init --quiet --vcs none --name answer .
      cargo test --quiet && cargo run --quiet
"""


def strangers(world: World, name: str) -> NewJob:
    """A pull request that brings a pipeline of its own."""
    sha = world.git.repository(name, {".raibid.yaml": "steps:\n  - name: evil\n    run: echo evil\n"})
    bare = world.git.root / f"{name}.git"
    subprocess.run(["git", "-C", str(bare), "update-ref", "refs/pull/1/head", sha], check=True, timeout=60)
    world.git.repository(name, {".raibid.yaml": BASE})
    spec = JobSpec(
        repo=f"tests/{name}",
        clone_url=f"{world.git.url}/{name}.git",
        ref="refs/pull/1/head",
        sha=sha,
        event="pull_request",
        fork="eve/crate",
        base="main",
    )
    return NewJob(spec=spec, dedupe=f"tests|{name}|{sha}")


def test_a_strangers_steps_build_a_crate_and_reach_nothing_of_the_pods(world: World) -> None:
    (entered,) = world.ledger.enqueue([strangers(world, "stranger")])

    job = world.reaches(entered.id, JobStatus.SUCCESS, JobStatus.FAILED)

    log = world.log(entered.id)
    assert job.status is JobStatus.SUCCESS, log
    assert "Hello, world!" in log
    assert "\nevil\n" not in log
    assert log.count("Permission denied") >= 6
    assert "operation not permitted" in log.lower()
