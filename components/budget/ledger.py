"""The ledger of a node: every core, byte and gigabyte of it is on exactly one line.

Owns: amounts, lines, the sum that must come out even, the ledger as a table of text.
Leaves to others: which lines there are (`proof`), bars and pictures (`components.budget.view`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from components.units import GI

Resource = Literal["cpu", "memory", "disk"]
Kind = Literal["reserved", "system", "agents", "unused"]

RESOURCES: Final[tuple[Resource, ...]] = ("cpu", "memory", "disk")


@dataclass(frozen=True)
class Amount:
    """Millicores, bytes of memory, bytes of disk."""

    cpu: int = 0
    memory: int = 0
    disk: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory, self.disk + other.disk)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cpu - other.cpu, self.memory - other.memory, self.disk - other.disk)

    def __mul__(self, times: int) -> Amount:
        return Amount(self.cpu * times, self.memory * times, self.disk * times)

    def of(self, resource: Resource) -> int:
        """One of the three."""
        return {"cpu": self.cpu, "memory": self.memory, "disk": self.disk}[resource]

    def short(self) -> tuple[Resource, ...]:
        """The resources below zero."""
        return tuple(resource for resource in RESOURCES if self.of(resource) < 0)


@dataclass(frozen=True)
class Line:
    """Who takes how much of a node."""

    name: str
    kind: Kind
    amount: Amount


@dataclass(frozen=True)
class Ledger:
    """A node's capacity and everything it goes to."""

    node: str
    capacity: Amount
    lines: tuple[Line, ...]
    agents: int = 0
    """How many agents the node holds."""

    @property
    def left(self) -> Amount:
        """Capacity less all lines; zero in a ledger that is closed."""
        return self.capacity - total(line.amount for line in self.lines)

    def add(self, *lines: Line) -> Ledger:
        """The ledger with further lines."""
        return Ledger(self.node, self.capacity, (*self.lines, *lines), self.agents)

    def closed(self, agents: int) -> Ledger:
        """The ledger with what is left over as its last line."""
        return Ledger(self.node, self.capacity, (*self.lines, Line("unused", "unused", self.left)), agents)

    def breaking(self) -> tuple[int, tuple[Resource, ...]] | None:
        """Index of the first line for which something is not enough, and what; None when all fits."""
        left = self.capacity
        for index, line in enumerate(self.lines):
            left = left - line.amount
            if left.short():
                return index, left.short()
        return None


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum of amounts."""
    return sum(amounts, Amount())


def cells(amount: Amount) -> tuple[str, str, str]:
    """Cores, GiB of memory, GiB of disk, as a person reads them."""
    return (_number(amount.cpu / 1000), _number(amount.memory / GI), _number(amount.disk / GI))


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "" if text in ("0", "-0") else text


def table(ledger: Ledger, *, marked: int = -1, remark: str = "") -> str:
    """The ledger as text; the `marked` line carries the remark. Less is taken from the capacity line by line."""
    rows: list[Sequence[str]] = [
        (ledger.node, "cores", "memory GiB", "disk GiB", ""),
        ("", *cells(ledger.capacity), ""),
    ]
    for index, line in enumerate(ledger.lines):
        rows.append((line.name, *(f"-{cell}" if cell else "" for cell in cells(line.amount)), ""))
        if index == marked:
            rows[-1] = (*rows[-1][:4], f"<-- {remark}")
    rows.append(("left", *cells(ledger.left), ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join((row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3)), row[4])).rstrip()
        for row in rows
    )
