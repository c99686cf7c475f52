"""Preflight: the script that reads the machine, and the judgement of what it read."""

from __future__ import annotations

import pytest

from components.host.bundle import preflight_bundle
from components.host.preflight import Core, Facts, PreflightError, accept
from components.settings import Settings
from components.units import GI
from tests.host.conftest import Machine

SPARK = Facts(
    arch="aarch64",
    os="ubuntu 24.04",
    address="192.0.2.7",
    memory=120 * GI,
    disk=3700 * GI,
    page_size=4096,
    cgroup=2,
    cores=tuple(Core(cpu=cpu, capacity=718 if cpu % 10 < 5 else 1024) for cpu in range(20)),
)


def changed(**more: object) -> Facts:
    return Facts.model_validate({**SPARK.model_dump(), **more})


def test_a_spark_as_the_stack_describes_it_passes_without_a_word(settings: Settings) -> None:
    assert accept(SPARK, settings.nodes[0]) == ()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (changed(arch="x86_64"), "arch: the stack says arm64, the machine is amd64"),
        (changed(cores=SPARK.cores[:10]), "cpu: the stack says 20, the machine has 10"),
        (changed(cores=SPARK.cores[:10]), "cores: the machine has no cpu 10-19"),
        (changed(memory=64 * GI), "memory: the stack says 119Gi, the machine has 64.0Gi"),
        (changed(disk=1000 * GI), "disk: the stack says"),
        (changed(cgroup=1), "cgroup: v1"),
        (changed(missing=["curl"]), "programs are missing: curl"),
        (
            changed(cores=[{"cpu": cpu, "capacity": 1024 if cpu < 10 else 718} for cpu in range(20)]),
            "a performance core is no faster than an efficiency core; by the kernel: 0-9 have 1024, 10-19 have 718",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_machine_that_is_not_as_described_is_refused(settings: Settings, facts: Facts, message: str) -> None:
    with pytest.raises(PreflightError) as refused:
        accept(facts, settings.nodes[0])
    assert message in str(refused.value)
    assert "nodes[dgx-spark]" in str(refused.value)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (changed(os="ubuntu 22.04"), "os: ubuntu 22.04"),
        (changed(page_size=65536), "page size: 64 KiB"),
        (changed(cores=[{"cpu": cpu} for cpu in range(20)]), "this kernel keeps no cpu_capacity"),
    ],
    ids=["os", "page", "capacity"],
)
def test_what_may_still_work_is_a_warning(settings: Settings, facts: Facts, message: str) -> None:
    (warning,) = accept(facts, settings.nodes[0])
    assert message in warning


def test_everything_that_does_not_fit_is_said_at_once(settings: Settings) -> None:
    with pytest.raises(PreflightError) as refused:
        accept(changed(arch="x86_64", cgroup=1, memory=GI), settings.nodes[0])
    assert str(refused.value).count("\n") == 2


@pytest.mark.parametrize("answer", ["", "Welcome to DGX!", "[]", '{"arch": "aarch64"}'])
def test_an_answer_that_is_none_is_said_to_be_unreadable(answer: str) -> None:
    with pytest.raises(PreflightError, match="cannot be read"):
        Facts.read(answer)


def test_the_script_reads_the_machine(machine: Machine) -> None:
    for cpu, capacity in enumerate((718, 1024)):
        directory = machine.root / f"sys/devices/system/cpu/cpu{cpu}"
        directory.mkdir(parents=True)
        (directory / "cpu_capacity").write_text(f"{capacity}\n")
    (machine.root / "sys/devices/system/cpu/cpufreq").mkdir()
    cgroup = machine.root / "sys/fs/cgroup"
    cgroup.mkdir(parents=True)
    (cgroup / "cgroup.controllers").write_text("cpu memory\n")
    done = machine.run(preflight_bundle(), FAKE_PAGE="65536")
    facts = Facts.read(done.stdout)
    assert done.returncode == 0, done.stderr
    assert facts.cores == (Core(cpu=0, capacity=718), Core(cpu=1, capacity=1024))
    assert (facts.arch, facts.os, facts.address) == ("aarch64", "ubuntu 24.04", "192.0.2.7")
    assert (facts.memory, facts.page_size, facts.cgroup) == (120 * GI, 65536, 2)
    assert facts.disk > 0
    assert facts.missing == ()


def test_a_machine_without_capacities_or_unified_cgroups_still_answers(machine: Machine) -> None:
    (machine.root / "sys/devices/system/cpu/cpu0").mkdir(parents=True)
    facts = Facts.read(machine.run(preflight_bundle()).stdout)
    assert facts.cores == (Core(cpu=0, capacity=0),)
    assert facts.cgroup == 1


def test_preflight_changes_nothing(machine: Machine) -> None:
    before = machine.files()
    machine.run(preflight_bundle())
    assert machine.files() == before
