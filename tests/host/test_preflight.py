"""Preflight: the script that reads the machine and refuses it, and the answer of one that is accepted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from components.host.bundle import preflight_bundle
from components.host.preflight import Facts, PreflightError, warnings
from components.settings import Node, Settings
from components.units import GI
from tests.host.conftest import Machine

SPARK = Facts(os="ubuntu 24.04", address="192.0.2.7", page_size=4096, capacities=True)


@pytest.fixture
def node(settings: Settings) -> Node:
    """The stack's node; the disk is that of whatever runs this test."""
    return settings.nodes[0].model_copy(update={"disk": 1})


@pytest.fixture
def spark(machine: Machine) -> Machine:
    machine.be_a_spark()
    return machine


def ask(machine: Machine, node: Node, **environment: str) -> subprocess.CompletedProcess[str]:
    return machine.run(preflight_bundle(node), **environment)


def test_a_spark_as_the_stack_describes_it_passes_without_a_word(spark: Machine, node: Node) -> None:
    done = ask(spark, node)
    assert (done.returncode, done.stderr) == (0, "")
    assert Facts.read(done.stdout) == SPARK
    assert warnings(SPARK, node) == ()


def v1(machine: Machine) -> None:
    (machine.root / "sys/fs/cgroup/cgroup.controllers").unlink()


def half_the_cores(machine: Machine) -> None:
    for number in range(10, 20):
        (machine.root / f"sys/devices/system/cpu/cpu{number}/cpu_capacity").unlink()
        (machine.root / f"sys/devices/system/cpu/cpu{number}").rmdir()


def numbered_otherwise(machine: Machine) -> None:
    for number in range(20):
        machine.set_capacity(number, 1024 if number < 10 else 718)


REFUSED: list[tuple[Callable[[Machine], None], str]] = [
    (half_the_cores, "cpu: the stack says 20, the machine has 10"),
    (half_the_cores, "cores: the machine has no cpu 15 16 17 18 19 10 11 12 13 14"),
    (lambda machine: machine.set_memory(64), "memory: the stack says 119.0Gi, the machine has 64.0Gi"),
    (v1, "cgroup: v1; Kubernetes 1.35 and later refuse it"),
    (
        numbered_otherwise,
        "cores: a performance core is no faster than an efficiency core; by the kernel (cpu:capacity): 0:1024",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), REFUSED, ids=[message[:24] for _, message in REFUSED])
def test_a_machine_that_is_not_as_described_is_refused(
    spark: Machine, node: Node, spoil: Callable[[Machine], None], message: str
) -> None:
    spoil(spark)
    done = ask(spark, node)
    assert (done.returncode, done.stdout) == (1, ""), "a refusal is no answer: Pulumi would keep it"
    assert f"nodes[dgx-spark]: {message}" in done.stderr
    assert "correct the machine, or what Pulumi.<stack>.yaml says of it" in done.stderr


def test_another_architecture_is_refused(spark: Machine, node: Node) -> None:
    done = ask(spark, node, FAKE_ARCH="x86_64")
    assert done.returncode == 1
    assert "arch: the stack says arm64, the machine is amd64" in done.stderr


def test_a_smaller_disk_is_refused(spark: Machine, node: Node) -> None:
    done = ask(spark, node.model_copy(update={"disk": 2**60}))
    assert "disk: the stack says 1073741824.0Gi" in done.stderr


def test_missing_programs_are_named(spark: Machine, node: Node) -> None:
    everything = "awk base64 cat cmp curl df getconf getent hostname id install mktemp rm sh sort tar tr uname wc"
    present = everything.split(" ")
    programs = spark.root / "programs"
    programs.mkdir()
    for name in present:
        found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True)
        (programs / name).symlink_to(found.stdout.strip())
    done = ask(spark, node, PATH=f"{programs}")
    assert "programs are missing: sha256sum systemctl sysctl timeout\n" in done.stderr


def test_everything_that_does_not_fit_is_said_at_once(spark: Machine, node: Node) -> None:
    v1(spark)
    spark.set_memory(1)
    done = ask(spark, node, FAKE_ARCH="x86_64")
    assert done.stderr.count("nodes[dgx-spark]: ") == 3


def test_a_kernel_without_capacities_is_accepted_and_says_so(spark: Machine, node: Node) -> None:
    for number in range(20):
        (spark.root / f"sys/devices/system/cpu/cpu{number}/cpu_capacity").unlink()
    facts = Facts.read(ask(spark, node).stdout)
    assert facts == SPARK.model_copy(update={"capacities": False})


def test_a_machine_without_classes_needs_no_capacities(machine: Machine, node: Node) -> None:
    machine.be_a_spark()
    numbered_otherwise(machine)
    assert ask(machine, node.model_copy(update={"cores": ()})).returncode == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"os": "ubuntu 22.04"}, "os: ubuntu 22.04"),
        ({"page_size": 65536}, "page size: 64 KiB"),
        ({"capacities": False}, "this kernel keeps no cpu_capacity"),
    ],
    ids=["os", "page", "capacity"],
)
def test_what_may_still_work_is_a_warning(node: Node, changed: dict[str, object], message: str) -> None:
    (warning,) = warnings(SPARK.model_copy(update=changed), node)
    assert message in warning


@pytest.mark.parametrize("answer", ["", "Welcome to DGX!", "[]", '{"os": "ubuntu 24.04"}'])
def test_an_answer_that_is_none_is_said_to_be_unreadable(answer: str) -> None:
    with pytest.raises(PreflightError, match="cannot be read"):
        Facts.read(answer)


def test_what_a_login_prints_first_is_not_part_of_the_answer() -> None:
    assert Facts.read(f"Welcome to DGX!\n{SPARK.model_dump_json()}\n") == SPARK


def test_another_demand_is_another_question(node: Node) -> None:
    less = node.model_copy(update={"memory": 64 * GI})
    assert preflight_bundle(less) != preflight_bundle(node) == preflight_bundle(node.model_copy())


def test_preflight_changes_nothing(spark: Machine, node: Node) -> None:
    before = spark.files()
    ask(spark, node)
    assert spark.files() == before
