"""Enqueue → the build's first line, cold (from zero agents) and warm (one waits); and what a waiting agent weighs."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psutil

from tests.bench.figure import Figure, percentile
from tests.bench.pool import POLL, Pool, pool, repository, until

PIPELINE = "steps:\n  - name: hello\n    run: echo the first line\n"
RUNS = 20


def first_lines(bench: Pool, *, warm: bool) -> list[float]:
    """Seconds from enqueue to the first line of the step's output, once per run."""
    source = repository(bench.directory / "source", {".raibid.yaml": PIPELINE})
    resting = 1 if warm else 0
    waits = []
    for _ in range(RUNS):
        until(lambda: bench.scaler.running == resting)
        time.sleep(random.uniform(0.5, 0.5 + POLL))  # a phase of the poll that nothing here has chosen
        waits.append(_first_line(bench, source))
    return waits


def _first_line(bench: Pool, source: Path) -> float:
    begin = time.perf_counter()
    job = bench.enqueue(source)
    until(lambda: any(b"\nthe first line" in b"\n" + c.data for c in bench.ledger.logs.read(job)))
    seconds = time.perf_counter() - begin
    bench.result(job)
    return seconds


def idle_weight(bench: Pool) -> float:
    """Resident MB of an agent that waits for a job."""
    until(lambda: bench.scaler.running == 1)
    # Past its imports and its first claim: it sleeps in Redis until something is queued.
    until(lambda: any(client["cmd"] == "xread" for client in bench.ledger.client.client_list()))
    return psutil.Process(bench.scaler.pids[0]).memory_info().rss / 2**20


def measure() -> list[Figure]:
    with pool() as bench:
        cold = first_lines(bench, warm=False)
    with pool(max_agents=2, warm=1) as bench:
        weight = idle_weight(bench)
        warm = first_lines(bench, warm=True)
    cold_p95, warm_p50 = percentile(cold, 0.95), percentile(warm, 0.5)
    return [
        Figure(
            what="enqueue → first line, cold, p95 (poll 2 s)", value=cold_p95, unit="s",
            twin_name="warm", twin=percentile(warm, 0.95), goal="< 4 s", met=cold_p95 < 4,
        ),
        Figure(
            what="enqueue → first line, warm, p50", value=warm_p50, unit="s",
            twin_name="cold", twin=percentile(cold, 0.5), goal="< 0.5 s", met=warm_p50 < 0.5,
        ),
        Figure(what="agent waiting for a job, resident", value=weight, unit="MB", goal="< 60 MB", met=weight < 60),
    ]  # fmt: skip
