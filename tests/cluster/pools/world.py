"""A pool whose jobs clone from a plain Git server: jobs in, and what record, log and `why` say of them.

Owns: enqueueing, waiting for a status, the end of a test's agents.
Leaves to others: the pool (`pool.py`), what is demanded of it (tests).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from raibid.ledger import Ledger
from raibid.ledger.results import explain
from raibid.model.job import Job, JobStatus

from components.agent_pod import CACHE_CLAIM, NAMESPACE
from tests.cluster.parts.git_http import GitServer
from tests.cluster.pools.pool import Pool
from tests.waiting import until

PATIENCE: Final = 90.0
WAITS: Final = "steps:\n  - name: waits\n    run: until [ -e /workspace/.cargo/go-on ]; do sleep 0.1; done\n"
"""A pipeline that runs until the test says so (`World.go_on`), in whichever pod."""


@dataclass(frozen=True)
class World:
    """The pool and where its jobs clone from."""

    pool: Pool
    git: GitServer
    ledger: Ledger

    def enqueue(self, name: str, pipeline: str) -> str:
        """A job of a repository of its own."""
        (entered,) = self.ledger.enqueue([self.git.job(name, pipeline)])
        return entered.id

    def job(self, job_id: str) -> Job:
        """Its record."""
        found = self.ledger.records.get(job_id)
        assert found
        return found

    def reaches(self, job_id: str, *statuses: JobStatus) -> Job:
        """Its record once it has one of these statuses."""

        def there() -> Job | None:
            job = self.job(job_id)
            return job if job.status in statuses else None

        try:
            found = until(there, f"the job is {' or '.join(statuses)}", budget=PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.job(job_id)}\n{self.log(job_id)}\n{self.pool.logs()}") from None
        assert found
        return found

    def pod_of(self, job_id: str) -> str:
        """The pod that runs the job."""
        return self.reaches(job_id, JobStatus.RUNNING).owner

    def log(self, job_id: str) -> str:
        """What its log holds now."""
        return b"".join(chunk.data for chunk in self.ledger.logs.read(job_id)).decode()

    def why(self, job_id: str) -> str:
        """What `raibid why` prints."""
        return explain(self.ledger.why(job_id))

    def told(self, job_id: str, *words: str) -> Job:
        """Record, log and `why` all say it."""

        def said() -> bool:
            job = self.job(job_id)
            record = f"{job.pods} {job.report} {job.reason}"
            return all(word in text for word in words for text in (record, self.log(job_id), self.why(job_id)))

        try:
            until(said, f"record, log and why say {words}", budget=PATIENCE)
        except AssertionError as error:
            why = self.why(job_id)
            raise AssertionError(f"{error}\n{self.job(job_id)}\n{self.log(job_id)}\n{why}") from None
        return self.job(job_id)

    @property
    def go_on(self) -> Path:
        """Made, it ends every build that WAITS: a file in the cache volume, which all agents share."""
        return self.pool.line.directory / "claims" / CACHE_CLAIM / "go-on"

    def clear(self) -> None:
        """End every job and every agent."""
        self.go_on.touch()
        for job in self.ledger.records.page(limit=100).jobs:
            if not job.status.terminal:
                self.ledger.cancel(job.id)
        self.pool.control_plane.kubectl("delete", "jobs", "--all", f"--namespace={NAMESPACE}", "--wait=true")
        self.go_on.unlink()


@contextmanager
def real_world(directory: Path, **options: Any) -> Iterator[World]:
    """`options` are the pool's."""
    with Pool(directory, forge=False, **options) as pool, GitServer(directory / "git", pool.address) as git:
        ledger = pool.ledger()
        try:
            yield World(pool, git, ledger)
        finally:
            ledger.close()
