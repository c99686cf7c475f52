"""Webhooks per second and their p99, the API against the usual FastAPI way: every request a new, signed push."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from raibid.forge.webhook import sign
from raibid.ledger import Ledger
from raibid.local.redis_server import RedisServer
from raibid.model.job_id import new_job_id

from tests.bench.figure import Figure, median
from tests.bench.loadgen import Load, load, request
from tests.bench.servers import SECRET, Server, api, twin

PAYLOAD = Path(__file__).parents[1] / "forge" / "fixtures" / "gitea-push.json"
REQUESTS = 4_000
ROUNDS = 3


def pushes(count: int) -> list[bytes]:
    """Signed deliveries of different commits, as bytes on the wire; about 6 kB each."""
    payload = json.loads(PAYLOAD.read_text())
    made = []
    for _ in range(count):
        payload["after"] = hashlib.sha1(new_job_id().encode()).hexdigest()
        body = json.dumps(payload).encode()
        headers = {"Content-Type": "application/json", "X-Gitea-Event": "push", "X-Gitea-Delivery": new_job_id()}
        made.append(request("POST", "/webhook/gitea", headers={**headers, **sign(body, SECRET.encode())}, body=body))
    return made


@dataclass(frozen=True)
class Run:
    """One server under load, and what it cost that server."""

    load: Load
    cpu: float  #: µs of CPU per request: the number that other people's load does not change


def _run(server: Server) -> Run:
    before = server.cpu_seconds()
    measured = load("127.0.0.1", server.port, pushes(REQUESTS), count=REQUESTS, connections=32, budget=120)
    return Run(measured, (server.cpu_seconds() - before) / REQUESTS * 1e6)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name, RedisServer(Path(name) / "redis") as server:
        directory = Path(name)
        ours: list[Run] = []
        theirs: list[Run] = []
        for round_ in range(ROUNDS):
            for kind, runner, results in (("api", api, ours), ("twin", twin, theirs)):
                stream = f"{kind}-{round_}"
                Ledger.connect(server.url, stream=stream).setup()
                with runner(directory / stream, server.url, stream) as started:
                    results.append(_run(started))
    ours_rate, their_rate = (median(r.load.per_second for r in results) for results in (ours, theirs))
    our_p99, their_p99 = (median(r.load.p99 * 1000 for r in results) for results in (ours, theirs))
    our_cpu, their_cpu = (median(r.cpu for r in results) for results in (ours, theirs))
    usual = "the usual FastAPI way"
    return [
        Figure(
            what="webhook: signed 6 kB pushes accepted, one core, 32 connections", value=ours_rate, unit="req/s",
            twin_name=usual, twin=their_rate, goal=">= 3x", met=ours_rate >= 3 * their_rate,
        ),
        Figure(what="webhook: CPU of the server", value=our_cpu, unit="µs/request", twin_name=usual, twin=their_cpu),
        Figure(
            what="webhook: p99", value=our_p99, unit="ms",
            twin_name=usual, twin=their_p99, goal="<= 1/3", met=our_p99 <= their_p99 / 3,
        ),
    ]  # fmt: skip
