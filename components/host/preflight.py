"""Is the machine the one that the stack describes? Facts in, findings out.

Owns: the shape of preflight's answer, the judgement of it.
Leaves to others: reading the machine (`scripts/k3s_preflight.sh`), stopping the deployment (`k3s`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import ValidationError

from components.cores import cpu_list
from components.settings import Model, Node
from components.units import size_text

SUPPORTED_OS: Final = "ubuntu 24.04"
_ARCH: Final = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "amd64"}


class PreflightError(Exception):
    """The machine is not what the stack says. `hint` says what to do."""

    hint = "correct the machine, or what Pulumi.<stack>.yaml says of it; nothing was changed on it"


class Core(Model):
    """One core; `capacity` as the kernel has it: 1024 is the fastest, 0 unknown."""

    cpu: int
    capacity: int = 0


class Facts(Model):
    """What a machine says of itself (sizes in bytes)."""

    arch: str
    os: str
    address: str
    memory: int
    disk: int
    page_size: int
    cgroup: Literal[1, 2]
    cores: tuple[Core, ...]
    missing: tuple[str, ...] = ()
    """Programs that the scripts need and the machine lacks."""

    @classmethod
    def read(cls, text: str) -> Facts:
        """The facts in preflight's answer.

        Raises:
            PreflightError: it is no such answer.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "answer"
            raise PreflightError(f"preflight's answer cannot be read: {where}: {first['msg']}") from error


@dataclass(frozen=True)
class Finding:
    """One thing that is not as described: `fatal` stops the deployment, else it is a warning."""

    fatal: bool
    message: str


def judge(facts: Facts, node: Node) -> tuple[Finding, ...]:
    """Everything that does not fit, at once."""
    return (*_machine(facts, node), *_cores(facts, node), *_surroundings(facts))


def accept(facts: Facts, node: Node) -> tuple[str, ...]:
    """The warnings.

    Raises:
        PreflightError: something is fatal; it names all of it.
    """
    findings = judge(facts, node)
    fatal = [f"nodes[{node.name}]: {finding.message}" for finding in findings if finding.fatal]
    if fatal:
        raise PreflightError("\n".join(fatal))
    return tuple(f"nodes[{node.name}]: {finding.message}" for finding in findings)


def _machine(facts: Facts, node: Node) -> Iterator[Finding]:
    arch = _ARCH.get(facts.arch, facts.arch)
    if arch != node.arch:
        yield Finding(True, f"arch: the stack says {node.arch}, the machine is {arch}")
    if len(facts.cores) * 1000 < node.cpu:
        yield Finding(True, f"cpu: the stack says {node.cpu // 1000}, the machine has {len(facts.cores)}")
    for name, stated, there in (("memory", node.memory, facts.memory), ("disk", node.disk, facts.disk)):
        if there < stated:
            yield Finding(True, f"{name}: the stack says {size_text(stated)}, the machine has {_gibibytes(there)}")


def _cores(facts: Facts, node: Node) -> Iterator[Finding]:
    capacity = {core.cpu: core.capacity for core in facts.cores}
    unknown = sorted(cpu for cores in node.cores for cpu in cores.numbers if cpu not in capacity)
    if unknown:
        yield Finding(True, f"cores: the machine has no cpu {cpu_list(unknown)}")
        return
    if not node.cores:
        return
    if not all(capacity.values()):
        yield Finding(False, "cores: this kernel keeps no cpu_capacity, so which cores are the fast ones is unproved")
        return
    fast, small = (
        [capacity[cpu] for cpu in node.cpus("performance")],
        [capacity[cpu] for cpu in node.cpus("efficiency")],
    )
    if fast and small and min(fast) <= max(small):
        seen = ", ".join(
            f"{cpu_list(cpu for cpu, value in capacity.items() if value == level)} have {level}"
            for level in sorted(set(capacity.values()), reverse=True)
        )
        yield Finding(True, f"cores: a performance core is no faster than an efficiency core; by the kernel: {seen}")


def _surroundings(facts: Facts) -> Iterator[Finding]:
    if facts.cgroup == 1:
        yield Finding(True, "cgroup: v1; Kubernetes 1.35 and later refuse it: systemd.unified_cgroup_hierarchy=1")
    if facts.missing:
        yield Finding(True, f"programs are missing: {', '.join(facts.missing)}")
    if facts.os != SUPPORTED_OS:
        yield Finding(False, f"os: {facts.os or 'unknown'}; this was made for {SUPPORTED_OS} (DGX OS 7)")
    if facts.page_size != 4096:
        yield Finding(
            False,
            f"page size: {facts.page_size // 1024} KiB; images with a jemalloc for 4 KiB pages stop at once "
            "(the pool's own do not); the 4 KiB kernel is linux-nvidia without -64k",
        )


def _gibibytes(value: int) -> str:
    return f"{value / 1024**3:.1f}Gi"
