"""Log lines per second over Server-Sent Events to one viewer: chunks of 100 lines against one entry per line."""

from __future__ import annotations

import socket
import tempfile
import time
from pathlib import Path

from raibid.ledger import Ledger, NewJob
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobSpec, JobStatus

from tests.bench.figure import Figure, median
from tests.bench.servers import TOKEN, api

LINE = b"\x1b[32m   Compiling\x1b[0m some-crate v1.2.3 (registry+https://example.test/index) with features a, b and c\n"
LINES = 400_000
ROUNDS = 3


def finished_job(ledger: Ledger, lines: int, per_chunk: int) -> str:
    """A job whose log has so many lines, in chunks of so many."""
    spec = JobSpec(repo="acme/app", clone_url="https://forge.test/acme/app.git", ref="refs/heads/main")
    ledger.enqueue([NewJob(spec=spec, dedupe=f"log-{per_chunk}")])
    claim = ledger.claim("bench")
    assert claim is not None
    pipe = ledger.client.pipeline(transaction=False)
    for number in range(lines // per_chunk):
        pipe.xadd(ledger.keys.log + claim.job.id, {"d": LINE * per_chunk, "s": "build", "a": 1})
        if number % 1000 == 999:
            pipe.execute()
    pipe.execute()
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    return claim.job.id


def read_all(port: int, job_id: str) -> float:
    """Seconds from the request to the end event."""
    head = f"GET /jobs/{job_id}/logs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        begin = time.perf_counter()
        connection.sendall(head.encode())
        buffer, received, tail = bytearray(1 << 20), 0, b""
        while b"event: end" not in tail:
            count = connection.recv_into(buffer)
            if not count:
                raise RuntimeError(f"the stream ended early after {received} bytes: {tail!r}")
            received += count
            tail = (tail + bytes(buffer[max(0, count - 200) : count]))[-200:]
        seconds = time.perf_counter() - begin
    if received < LINES // 10 * len(LINE):
        raise RuntimeError(f"only {received} bytes came")
    return seconds


def measure() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as name,
        RedisServer(Path(name) / "redis", config={"appendonly": "no"}) as server,
    ):
        ledger = Ledger.connect(server.url)
        ledger.setup()
        chunked, single = finished_job(ledger, LINES, 100), finished_job(ledger, LINES // 10, 1)
        with api(Path(name) / "api", server.url, ledger.keys.stream) as api_server:
            rates = [
                (LINES / read_all(api_server.port, chunked), LINES / 10 / read_all(api_server.port, single))
                for _ in range(ROUNDS)
            ]
    ours, theirs = median(a for a, _ in rates), median(b for _, b in rates)
    return [
        Figure(
            what="log stream: lines over SSE, chunks of 100 lines, one viewer", value=ours, unit="lines/s",
            twin_name="an entry per line", twin=theirs, goal=">= 1.5 M", met=ours >= 1_500_000,
        )
    ]  # fmt: skip
