"""A real node: what it gives away, what it shows, that two of them keep apart and that none leaves anything behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from components import api
from components.budget import Budget, budget
from components.host.config import kubelet_configuration
from components.settings import Settings, load_stack
from tests.cluster.node.image_archive import PAUSE, cache
from tests.cluster.node.leftovers import sweep
from tests.cluster.node.machine import controllers, residents
from tests.cluster.node.node import Joined, cluster_with_node, why_not
from tests.waiting import until

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

ROOT = Path(__file__).parents[2]
UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
FLOAT32 = 2**10
"""The kubelet turns a percentage of the disk into bytes by 32-bit floats: 121 bytes off at 252 GiB."""


def of_this_machine(directory: Path) -> Settings:
    """The stack `dev` with this machine as its node, small reserves."""
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    assert memory
    disk = os.statvfs(directory)
    node = {
        "name": "node",
        "arch": "amd64",
        "cpu": len(os.sched_getaffinity(0)),
        "memory": int(memory[1]) * 1024,
        "disk": disk.f_blocks * disk.f_frsize,
    }
    reserved = {"systemCpu": "100m", "systemMemory": "1Gi", "kubeCpu": "100m", "kubeMemory": "512Mi",
                "evictionMemory": "256Mi", "systemDisk": "2Gi", "evictionDiskPercent": 2}  # fmt: skip
    plain = load_stack("dev").model_dump(by_alias=True)
    return Settings.model_validate({**plain, "profile": "balanced", "nodes": [node], "reserved": reserved})


def bytes_of(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([KMG]i)?", quantity).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit or ""]


def millicores(quantity: str) -> int:
    return int(quantity.removesuffix("m")) * (1 if quantity.endswith("m") else 1000)


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Budget:
    settings = of_this_machine(tmp_path_factory.getbasetemp())
    return budget(settings, [api.footprint(settings)])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, proved: Budget) -> Iterator[Joined]:
    with cluster_with_node(tmp_path_factory.mktemp("one"), reservation=proved.kubelet["node"]) as joined:
        yield joined


def pod(name: str, **container: Any) -> Mapping[str, Any]:
    spec = {"automountServiceAccountToken": False, "containers": [{"name": "only", "image": PAUSE, **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def start(cluster: Joined, name: str) -> None:
    kubectl = cluster.control_plane.kubectl
    until(lambda: "default" in kubectl("get", "serviceaccounts", "--namespace=default"), "an account is made")
    cluster.control_plane.apply(pod(name))
    until(lambda: runs(cluster, name), f"pod {name} runs")


def runs(cluster: Joined, name: str) -> bool:
    return cluster.control_plane.kubectl("get", "pod", name, "--output=jsonpath={.status.phase}") == "Running"


def test_what_the_node_gives_away_is_what_the_budget_says(cluster: Joined, proved: Budget) -> None:
    (ledger,) = proved.ledgers
    volumes = sum(line.amount.disk for line in ledger.lines if line.kind == "system" or line.name == "cache")
    kept = [line.amount for line in ledger.lines if line.kind == "reserved"]
    real = cluster.node.allocatable()
    assert millicores(real["cpu"]) == ledger.capacity.cpu - sum(amount.cpu for amount in kept)
    assert bytes_of(real["memory"]) == ledger.capacity.memory - sum(amount.memory for amount in kept)
    disk = ledger.capacity.disk - sum(amount.disk for amount in kept) - volumes
    assert abs(bytes_of(real["ephemeral-storage"]) - disk) < FLOAT32


def test_the_kubelet_works_with_every_value_of_the_emitted_drop_in(cluster: Joined, proved: Budget) -> None:
    said = cluster.control_plane.kubectl("get", "--raw", "/api/v1/nodes/node/proxy/configz")
    real = json.loads(said)["kubeletconfig"]
    emitted = kubelet_configuration(proved.kubelet["node"])
    # This machine's disk is not the pool's alone (tests/cluster/node/kubelet.py).
    asked = {name: cluster.node.kubelet.configuration[name] for name in emitted.keys() - {"apiVersion", "kind"}}
    assert [name for name in asked if asked[name] != emitted[name]] == ["imageGCHighThresholdPercent"]
    assert {name: real.get(name) for name in asked} == asked
    assert "unknown field" not in cluster.node.kubelet.log.read_text(errors="replace")


def test_the_log_of_a_container_comes_through_the_api_server(cluster: Joined) -> None:
    start(cluster, "talks")
    assert cluster.control_plane.kubectl("logs", "talks") == ""  # the pause image says nothing; an error would raise


def test_a_pod_outlives_containerd_and_kubelet(cluster: Joined) -> None:
    start(cluster, "lives")
    before = cluster.control_plane.kubectl("get", "pod", "lives", "--output=jsonpath={.status.containerStatuses}")
    cluster.node.kubelet.kill()
    cluster.node.containerd.restart()
    cluster.node.kubelet.start()
    start(cluster, "later")
    after = cluster.control_plane.kubectl("get", "pod", "lives", "--output=jsonpath={.status.containerStatuses}")
    assert before == after


def test_two_nodes_side_by_side_leave_each_other_alone(
    cluster: Joined, tmp_path_factory: pytest.TempPathFactory
) -> None:
    start(cluster, "stays")
    with cluster_with_node(tmp_path_factory.mktemp("two")) as other:
        assert other.network.subnet != cluster.network.subnet
        start(other, "goes")
    start(cluster, "comes")
    assert runs(cluster, "stays")


def test_a_session_that_was_killed_is_cleared_away_by_the_next(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("dies")
    program = (
        "import sys, time, pathlib\n"
        "from tests.cluster.node.node import cluster_with_node\n"
        "with cluster_with_node(pathlib.Path(sys.argv[1])) as joined:\n"
        "    print(joined.network.name, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as dying:
        assert dying.stdout
        name = dying.stdout.readline().strip()
        dying.send_signal(signal.SIGKILL)
    until(lambda: not residents(name), "the kernel ends what ran in it")
    until(lambda: str(directory) not in Path("/proc/self/mountinfo").read_text(), "its mounts are gone")
    sweep()
    assert not Path(f"/sys/class/net/{name}").exists()
    assert not [root for root in controllers() if (root / name).exists()]
    assert not (directory / "node").exists()
    assert not (cache("sessions") / f"{name}.json").exists()
