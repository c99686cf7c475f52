"""The agent's image, really built: what builds call is in it, nothing of this machine, and it is not large."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from raibid.model.job import JobStatus

from components.settings import load_stack
from tests.cluster.figures import Figure
from tests.cluster.node.agent_image import Built, agent_image
from tests.cluster.node.node import why_not
from tests.cluster.pools.world import World

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

MOST_BYTES = 2 * 10**9
CALLS = """\
steps:
  - name: tools
    run: |
      rustc --version && cargo clippy --version && cargo fmt --version && cc --version | head -1
      git --version && python3 --version && raibid version
  - name: crate
    run: |
      cargo init --quiet --vcs none --name answer .
      cargo test --quiet && cargo build --quiet --release
      ./target/release/answer
"""


@pytest.fixture(scope="module")
def image() -> Built:
    return agent_image(load_stack("dev").images.agent)


def test_it_stays_below_two_gigabytes(image: Built, figure: Figure) -> None:
    figure(f"agent image: {image.size / 1e6:.0f} MB uncompressed")
    assert image.size < MOST_BYTES


def test_it_runs_as_nobody_with_any_right(image: Built) -> None:
    with tarfile.open(image.archive) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(archive.extractfile(manifest["Config"]))["config"]  # type: ignore[arg-type]
    assert config["User"] == "10001:10001"
    assert (config["Entrypoint"], config["Cmd"]) == (["raibid"], ["agent"])
    assert not any(str(Path.home()) in line for line in config["Env"])


def test_an_agent_of_it_builds_and_tests_a_crate(world: World, figure: Figure) -> None:
    job_id = world.enqueue("crate", CALLS)
    job = world.reaches(job_id, JobStatus.SUCCESS, JobStatus.FAILED)
    assert job.status is JobStatus.SUCCESS, world.log(job_id)
    figure(f"agent image: {job.started - job.created:.1f} s from an enqueued job to an agent that has it")
    assert "Hello, world!" in world.log(job_id)


def test_what_an_agent_prints_is_there_for_kubectl_logs(world: World) -> None:
    job_id = world.enqueue("talks", "steps:\n  - name: only\n    run: 'true'\n")
    world.reaches(job_id, JobStatus.SUCCESS)
    pod = world.job(job_id).owner
    assert job_id in world.pool.control_plane.kubectl("logs", pod, "--namespace=ci")
