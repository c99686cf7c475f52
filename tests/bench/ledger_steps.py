"""What the ledger's steps cost: a whole job through Redis, and how admit grows with repositories and backlog."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from raibid.ledger import Ledger, NewJob
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobSpec, JobStatus

from tests.bench.figure import Figure, median


@contextmanager
def fresh_ledger() -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory)) as server:
        ledger = Ledger.connect(server.url)
        ledger.setup()
        yield ledger
        ledger.close()


def _job(number: int, repos: int, group: str = "") -> NewJob:
    repo = f"acme/r{number % repos}"
    spec = JobSpec(
        repo=repo, clone_url=f"https://forge.test/{repo}.git", ref="refs/heads/main", group=group,
        sha=f"{number:040x}", before=f"{number - 1:040x}" if number else "",
    )  # fmt: skip
    return NewJob(spec=spec, dedupe=f"d{number}")


def finish_cost(repos: int, waiting: int, rounds: int = 200) -> float:
    """Median server time in ms of finish with its admit, from Redis' own slow log."""
    with fresh_ledger() as ledger:
        ledger.set_window(7)
        for start in range(0, waiting, 100):
            ledger.enqueue([_job(n, repos) for n in range(start, min(start + 100, waiting))])
        ledger.client.config_set("slowlog-log-slower-than", 0)
        ledger.client.config_set("slowlog-max-len", 4096)
        costs = []
        for number in range(min(rounds, waiting)):
            claim = ledger.claim(f"a{number}")
            assert claim is not None
            ledger.client.slowlog_reset()
            ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
            costs.append(max(int(e["duration"]) for e in ledger.client.slowlog_get(16)) / 1000)
        return median(costs)


def enqueue_cost(group: Callable[[int], str], rounds: int = 400) -> float:
    """Median server time in µs of enqueuing one job beside 800 that wait, of 8 repositories."""
    with fresh_ledger() as ledger:
        ledger.set_window(7)
        for start in range(0, 800, 100):
            ledger.enqueue([_job(n, 8) for n in range(start, start + 100)])
        ledger.client.config_set("slowlog-log-slower-than", 0)
        ledger.client.config_set("slowlog-max-len", 4096)
        costs = []
        for number in range(1000, 1000 + rounds):
            ledger.client.slowlog_reset()
            ledger.enqueue([_job(number, 8, group(number))])
            costs.append(float(max(int(e["duration"]) for e in ledger.client.slowlog_get(16))))
        return median(costs)


def round_trips(jobs: int = 1000) -> float:
    """Jobs per second through enqueue, claim, beat and finish by one client, appendfsync always."""
    with fresh_ledger() as ledger:
        begin = time.perf_counter()
        for number in range(jobs):
            ledger.enqueue([_job(number, 8)])
            claim = ledger.claim("a")
            assert claim is not None
            ledger.beat(claim.job.id, claim.token)
            ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
        return jobs / (time.perf_counter() - begin)


def measure() -> list[Figure]:
    few, plain = finish_cost(8, 800), enqueue_cost(lambda _: "")
    return [
        Figure(what="ledger: enqueue, 800 waiting (server time)", value=plain, unit="µs"),
        Figure(
            what="ledger: the same, a job that others may supersede", value=enqueue_cost(lambda n: f"group {n}"),
            unit="µs", twin_name="of no group", twin=plain,
        ),
        Figure(
            what="ledger: the same, superseding one that waits", value=enqueue_cost(lambda _: "group"), unit="µs",
            twin_name="of no group", twin=plain,
        ),
        Figure(what="ledger: whole jobs by one client, enqueue to finish", value=round_trips(), unit="jobs/s"),
        Figure(what="ledger: finish + admit, 8 repositories, 800 waiting (server time)", value=few, unit="ms"),
        Figure(
            what="ledger: the same with 10,000 waiting", value=finish_cost(8, 10_000), unit="ms",
            twin_name="800 waiting", twin=few, goal="independent of the backlog",
        ),
        Figure(
            what="ledger: the same with 500 repositories", value=finish_cost(500, 2_000), unit="ms",
            twin_name="8 repositories", twin=few,
        ),
    ]  # fmt: skip
