"""Is the machine the one that the stack describes? What is demanded of it, and what is worth a word.

Owns: the demands that are sent, the shape of the answer, the warnings.
Leaves to others: reading the machine and refusing it (`scripts/k3s_preflight.sh`, which says why it is there).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import ValidationError

from components.settings import Model, Node

SUPPORTED_OS: Final = "ubuntu 24.04"


class PreflightError(Exception):
    """What the machine answered is no answer. `hint` says what to do."""

    # An answer is kept as long as the question is the same: only a replacement asks again.
    hint = "what does a login print there? Then pulumi up --replace with the URN of the node's -preflight command"


class Facts(Model):
    """What a machine says of itself, once it has been accepted."""

    os: str
    address: str
    page_size: int
    capacities: bool
    """Whether the kernel keeps every core's capacity, so that the classes of cores are proved."""

    @classmethod
    def read(cls, text: str) -> Facts:
        """The facts in preflight's answer: its last line, since a login may print something first.

        Raises:
            PreflightError: it is no such answer.
        """
        try:
            return cls.model_validate_json(text.strip().rpartition("\n")[2])
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "answer"
            raise PreflightError(f"preflight's answer cannot be read: {where}: {first['msg']}") from error


def demands(node: Node) -> Mapping[str, str]:
    """What the machine must be, as its script is told: another demand is another question, so it is asked anew."""
    return {
        "RAIBID_NODE": node.name,
        "RAIBID_ARCH": node.arch,
        "RAIBID_MILLICORES": str(node.cpu),
        "RAIBID_MEMORY": str(node.memory),
        "RAIBID_DISK": str(node.disk),
        "RAIBID_PERFORMANCE": " ".join(map(str, node.cpus("performance"))),
        "RAIBID_EFFICIENCY": " ".join(map(str, node.cpus("efficiency"))),
    }


def warnings(facts: Facts, node: Node) -> tuple[str, ...]:
    """What may still work and is worth a word."""
    return tuple(f"nodes[{node.name}]: {warning}" for warning in _warnings(facts, node))


def _warnings(facts: Facts, node: Node) -> Iterator[str]:
    if node.cores and not facts.capacities:
        yield "cores: this kernel keeps no cpu_capacity, so which cores are the fast ones is unproved"
    if facts.os != SUPPORTED_OS:
        yield f"os: {facts.os or 'unknown'}; this was made for {SUPPORTED_OS} (DGX OS 7)"
    if facts.page_size != 4096:
        yield (
            f"page size: {facts.page_size // 1024} KiB; images with a jemalloc for 4 KiB pages stop at once "
            "(the pool's own do not); the 4 KiB kernel is linux-nvidia without -64k"
        )
