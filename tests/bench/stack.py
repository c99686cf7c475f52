"""What the infrastructure's commands take: from process start to exit, beside a process that only imports pulumi."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figure import Figure, paired

ROOT = Path(__file__).parents[2]
ROUNDS = 7
BARE = (sys.executable, "-c", "import pulumi")


def seconds(command: Sequence[str]) -> float:
    """Wall clock of one process, which must succeed."""
    begin = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - begin


def components(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "components", *arguments)


def measure() -> list[Figure]:
    def render() -> float:
        out = Path(tempfile.mkdtemp(prefix="raibid-bench-"))
        try:
            return seconds(components("render", "--stack", "dgx-spark", "--out", str(out)))
        finally:
            shutil.rmtree(out)

    def plan() -> float:
        return seconds(components("plan", "--stack", "dgx-spark"))

    def usage() -> float:
        return seconds(components("--help"))

    cases = (
        ("stack: render the dgx-spark tree", render, "< 1.5 s", 1.5),
        ("stack: plan dgx-spark, the whole program under the mock monitor", plan, "", None),
        ("stack: --help", usage, "< 0.15 s", 0.15),
    )
    figures = []
    for what, ours, goal, limit in cases:
        ours()  # bytecode and file cache are warm for both
        value, twin = paired(ROUNDS, ours, lambda: seconds(BARE))
        met = None if limit is None else value < limit
        figures.append(
            Figure(what=what, value=value, unit="s", twin_name="import pulumi", twin=twin, goal=goal, met=met)
        )
    return figures
