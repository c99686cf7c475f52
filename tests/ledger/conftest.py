"""What the ledger's tests share: short ways to say "a push of this repository" and "this lease is lost"."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from raibid.ledger import Claim, Ledger, NewJob, Timing
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobSpec, Priority
from raibid.model.job_id import new_job_id

LEASE = 5.0


def uptime(ledger: Ledger) -> int:
    return int(ledger.client.info("server")["uptime_in_seconds"])


def new(repo: str = "acme/app", *, ref: str = "refs/heads/main", **kw: object) -> NewJob:
    """A job to enqueue; a dedupe key of its own unless one is given."""
    in_spec = {k: kw.pop(k) for k in ("priority", "resource", "params", "group") if k in kw}
    kw.setdefault("dedupe", new_job_id())
    spec = JobSpec(repo=repo, clone_url=f"https://forge.test/{repo}.git", ref=ref, **in_spec)  # type: ignore[arg-type]
    return NewJob(spec=spec, **kw)  # type: ignore[arg-type]


def urgent(repo: str = "acme/app") -> NewJob:
    return new(repo, priority=Priority.URGENT)


def put(ledger: Ledger, *jobs: NewJob) -> list[str]:
    return [e.id for e in ledger.enqueue(jobs)]


def take(ledger: Ledger, owner: str = "agent") -> Claim:
    claim = ledger.claim(owner)
    assert claim is not None, "there was nothing to claim"
    return claim


def entry_of(ledger: Ledger, job_id: str) -> str:
    value = ledger.client.hget(ledger.keys.job + job_id, "entry")
    assert isinstance(value, bytes)
    return value.decode()


@pytest.fixture
def ledger(redis_server: RedisServer) -> Iterator[Ledger]:
    """An empty ledger with a lease of 5 s, on a server that has been up for longer than that.

    Just after a start every lease looks lost, so claim does not judge leases then; the wait is for that condition
    and happens once per test process.
    """
    ledger = Ledger.connect(redis_server.url, stream=f"t-{new_job_id()}", timing=Timing(LEASE, 1.0))
    ledger.setup()
    while uptime(ledger) < LEASE:
        time.sleep(0.05)
    yield ledger
    ledger.close()


@pytest.fixture
def lose_lease(ledger: Ledger) -> Callable[[Claim], None]:
    """Make a claim's lease look lost: its entry has been idle for longer than the lease."""

    def lose(claim: Claim) -> None:
        entry = entry_of(ledger, claim.job.id)
        idle = int(LEASE * 1000) + 1000
        ledger.client.xclaim(ledger.keys.stream, "ci-workers", claim.job.owner, 0, [entry], idle=idle, justid=True)

    return lose
