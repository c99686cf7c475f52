"""`kill -9` of an agent → another has started its job again."""

from __future__ import annotations

import time

import psutil
from raibid.contract import LEASE_SECONDS
from raibid.model.job import JobStatus

from tests.bench.figure import Figure, median
from tests.bench.pool import POLL, pool, repository, until

PIPELINE = "steps:\n  - name: build\n    run: if [ $RAIBID_ATTEMPT = 1 ]; then sleep 600; fi\n"
START = 1.5
"""An agent's own start on a busy machine: process, imports, claim."""
RUNS = 3


def measure() -> list[Figure]:
    seconds = []
    with pool() as bench:
        source = repository(bench.directory / "source", {".raibid.yaml": PIPELINE})
        for _ in range(RUNS):
            job = bench.enqueue(source)
            until(lambda: bench.job(job).log_bytes > 0)  # noqa: B023 - ends within this turn
            (agent,) = [psutil.Process(pid) for pid in bench.scaler.pids]
            begin = time.perf_counter()
            for process in [agent, *agent.children(recursive=True)]:
                process.kill()
            until(lambda: bench.job(job).attempt == 2)  # noqa: B023
            seconds.append(time.perf_counter() - begin)
            bench.result(job)
            assert bench.job(job).status is JobStatus.SUCCESS
            until(lambda: bench.scaler.running == 0)
    bound = LEASE_SECONDS + POLL + START
    return [
        Figure(
            what="recovery after kill -9 of an agent", value=median(seconds), unit="s",
            twin_name="lease + poll + start", twin=bound, goal="<= its twin", met=median(seconds) <= bound,
        )
    ]  # fmt: skip
