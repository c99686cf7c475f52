"""`make bench-cluster`: what a job waits for on a real node, and how well agents follow the work; keda beside direct.

Owns: the course of the measurement, its tables for docs/performance.md.
Leaves to others: the pools (`tests.cluster.pools.pool`), the times (`stopwatch.py`), over- and undershoot
(`course.py`).

Both scalers have a pool of their own on this machine, and are asked in turn (A B A B): a machine whose speed drifts
slows both. Nothing here is an assertion.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Final

from raibid.contract import POLL_SECONDS
from raibid.scaler.arithmetic import Scaling, jobs_to_create

from components.settings import Scaler
from tests.bench.figure import machine, percentile
from tests.cluster.command import FAILED, exit_code, own_directory
from tests.cluster.measure.course import Course, predicted
from tests.cluster.measure.stopwatch import Stopwatch, Times
from tests.cluster.node.node import why_not
from tests.cluster.pools.pool import SMALL, Pool
from tests.cluster.tools.toolchain import TOOLS

SCALERS: Final[tuple[Scaler, ...]] = ("keda", "direct")
NAMES: Final = {
    "made": "enqueue → Job created",
    "running": "enqueue → container running, as the API server shows it",
    "claimed": "enqueue → agent claims",
    "line": "enqueue → first log line",
}
_AFTER_POLL: Final = 0.4
"""Seconds from KEDA's decision until its Jobs are there: seven took 0.2 to 0.3 s."""


def singles(watches: Mapping[Scaler, Stopwatch], runs: int) -> dict[Scaler, list[Times]]:
    """Single arrivals from zero agents, at phases of the poll that nothing here has chosen."""
    phases = random.Random()
    found: dict[Scaler, list[Times]] = {scaler: [] for scaler in watches}
    for number in range(runs):
        for scaler, watch in watches.items():
            watch.await_zero()
            time.sleep(phases.uniform(0.2, 0.2 + POLL_SECONDS))  # what is measured, no wait for anything
            times = watch.single()
            found[scaler].append(times)
            said = ", ".join(f"{name} {seconds:.2f}" for name, seconds in vars(times).items())
            print(f"{number + 1} of {runs}, {scaler}: {said}", file=sys.stderr, flush=True)
    return found


def waiting_table(found: Mapping[Scaler, Sequence[Times]]) -> str:
    """p50 and p95 of every stretch, one scaler beside the other."""
    head = "".join(f" {scaler} p50 | {scaler} p95 |" for scaler in found)
    lines = [
        f"| seconds, {len(next(iter(found.values())))} single arrivals each |{head}",
        f"|---|{'---:|' * 2 * len(found)}",
    ]
    for field in fields(Times):
        values = ([getattr(times, field.name) for times in found[scaler]] for scaler in found)
        cells = "".join(f" {percentile(v, 0.5):.2f} | {percentile(v, 0.95):.2f} |" for v in values)
        lines.append(f"| {NAMES[field.name]} |{cells}")
    return "\n".join(lines)


def burst_table(courses: Mapping[Scaler, Course], polls: Sequence[float]) -> str:
    """A burst: what was made and how well it followed, beside the simulator's prediction for KEDA."""
    lines = [
        "| a burst | Jobs | claims | most at once | wait p50 | wait p95 | overshoot | undershoot |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for scaler, each in courses.items():
        lines.append(_burst_row(f"{scaler}, at every moment", each, *each.accuracy(each.moments)))
    if course := courses.get("keda"):
        over, under = course.accuracy(polls)
        lines.append(_burst_row("keda, its polls", course, over, under))
        said = predicted(course)
        lines.append(
            f"| simulator, its polls | {said.made:.0f} | {course.jobs} | {said.peak} | {said.wait_p50:.1f} s "
            f"| {said.wait_p95:.1f} s | {said.overshoot:.1f} % | {said.undershoot:.1f} % |"
        )
    return "\n".join(lines)


def _burst_row(name: str, course: Course, over: float, under: float) -> str:
    waits = course.waits
    return (
        f"| {name} | {course.made} | {course.starts} | {course.peak} | {percentile(waits, 0.5):.1f} s "
        f"| {percentile(waits, 0.95):.1f} s | {over:.1f} % | {under:.1f} % |"
    )


def decisions(pool: Pool, course: Course, most: int) -> tuple[str, list[float]]:
    """KEDA's own counts of a burst against our arithmetic, and the moments just after its polls."""
    assert pool.keda
    end = max(agent.complete for agent in course.agents)
    polls = [poll for poll in pool.keda.polls(after=course.arrived) if poll.at <= end]
    scaling = Scaling(max_replicas=most)
    same = [
        poll
        for poll in polls
        if jobs_to_create(scaling, metric=poll.metric or 0, running=poll.running, pending=poll.pending) == poll.created
    ]
    said = f"KEDA's polls in the burst: {len(polls)}; it created what `jobs_to_create` says at {len(same)} of them."
    return said, [poll.at + _AFTER_POLL for poll in polls]


@contextmanager
def pools(directory: Path, scalers: Sequence[Scaler]) -> Iterator[dict[Scaler, Stopwatch]]:
    """A pool per scaler, at rest."""
    with ExitStack() as stack:
        found: dict[Scaler, Stopwatch] = {}
        for scaler in scalers:
            print(f"starting a pool with scaler {scaler} …", file=sys.stderr, flush=True)
            pool = stack.enter_context(Pool(directory / scaler, scaler=scaler, forge=False))
            found[scaler] = stack.enter_context(Stopwatch(pool, directory / scaler))
            found[scaler].single()  # the image is unpacked now, and KEDA has taken its ScaledJob over
        yield found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.measure", description=__doc__)
    parser.add_argument("--runs", type=int, default=30, help="single arrivals per scaler")
    parser.add_argument("--burst", type=int, default=20, help="jobs at once")
    parser.add_argument("--build", type=float, default=6.0, help="seconds that each job of the burst builds")
    parser.add_argument("--scaler", choices=SCALERS, action="append", help="only this one")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Returns the exit code."""
    options = _parser().parse_args(argv)
    if why := why_not():
        print(why, file=sys.stderr)
        return FAILED
    with own_directory("measure") as directory:
        print(measured(directory, options.scaler or SCALERS, options))
    return 0


def measured(directory: Path, scalers: Sequence[Scaler], options: argparse.Namespace) -> str:
    """The whole measurement, as Markdown."""
    most = int(SMALL["ci_agent_max"])
    with pools(directory, scalers) as watches:
        waits = singles(watches, options.runs)
        courses: dict[Scaler, Course] = {}
        for scaler, watch in watches.items():
            print(f"burst of {options.burst}, scaler {scaler} …", file=sys.stderr, flush=True)
            watch.await_zero()
            courses[scaler] = watch.burst(options.burst, seconds=options.build, most=most)
        said, polls = "", list[float]()
        if "keda" in watches:
            said, polls = decisions(watches["keda"].pool, courses["keda"], most)
    head = f"{machine()}, KEDA {TOOLS['keda'].version}, Kubernetes {TOOLS['kubelet'].version}"
    setup = f"poll {POLL_SECONDS:g} s, at most {most} agents; the burst: {options.burst} jobs of {options.build:g} s"
    return "\n\n".join([f"{head}; {setup}.", waiting_table(waits), burst_table(courses, polls), said])


if __name__ == "__main__":
    sys.exit(exit_code("measure", main))
