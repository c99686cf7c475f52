"""A measured figure, its twin and the goal: the data, and how a table of them reads."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row. `value` and `twin` in `unit`; the twin was measured in the same run."""

    what: str
    value: float
    unit: str
    twin_name: str = ""
    twin: float | None = None
    goal: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Value over twin."""
        return self.value / self.twin if self.twin else None


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def paired(rounds: int, ours: Callable[[], float], twin: Callable[[], float]) -> tuple[float, float]:
    """Medians of both, measured in turn A B A B, so that a machine whose speed drifts slows both."""
    pairs = [(ours(), twin()) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs)


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:,.1f}"


def table(figures: Sequence[Figure]) -> str:
    """The rows as a Markdown table."""
    lines = ["| figure | measured | twin | ratio | goal | met |", "|---|---:|---:|---:|---|---|"]
    for f in figures:
        twin = f"{_number(f.twin)} {f.unit} ({f.twin_name})" if f.twin is not None else ""
        ratio = f"{f.ratio:.2f}" if f.ratio is not None else ""
        met = "" if f.met is None else ("yes" if f.met else "**no**")
        lines.append(f"| {f.what} | {_number(f.value)} {f.unit} | {twin} | {ratio} | {f.goal} | {met} |")
    return "\n".join(lines)


def machine() -> str:
    """Date and machine, for the head of a table; no names."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {psutil.cpu_count()} cores {cpu}, {memory:.0f} GiB, "
        f"Python {platform.python_version()}"
    )
