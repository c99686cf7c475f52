"""A pool for measurements: real Redis, the local scaler in a thread, real agent processes, a repository on disk."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raibid.contract import Env
from raibid.ledger import Ledger, NewJob
from raibid.local.redis_server import RedisServer
from raibid.model.job import Job, JobSpec, JobStatus
from raibid.model.job_id import new_job_id
from raibid.scaler.local import LocalScaler, stream_length

POLL = 2.0


@dataclass(frozen=True)
class Pool:
    """What the benches drive and look at."""

    ledger: Ledger
    scaler: LocalScaler
    directory: Path

    def enqueue(self, repository: Path) -> str:
        """A job for the repository's main branch; its id."""
        spec = JobSpec(repo="bench/app", clone_url=repository.as_uri(), ref="refs/heads/main")
        return self.ledger.enqueue([NewJob(spec=spec, dedupe=new_job_id())])[0].id

    def job(self, job_id: str) -> Job:
        job = self.ledger.records.get(job_id)
        if job is None:
            raise RuntimeError(f"job {job_id} is gone")
        return job

    def result(self, job_id: str) -> Job:
        """The job when it has ended well."""
        until(lambda: self.job(job_id).status.terminal, pause=0.1)  # more often would slow the build down
        job = self.job(job_id)
        if job.status is not JobStatus.SUCCESS:
            log = b"".join(c.data for c in self.ledger.logs.read(job_id)).decode()
            raise RuntimeError(f"job {job_id} is {job.status}: {job.reason}\n{log}")
        return job


def until(condition: Callable[[], bool], budget: float = 180.0, pause: float = 0.002) -> float:
    """Seconds until the condition holds; looked at every `pause` seconds."""
    begin = time.perf_counter()
    while not condition():
        if time.perf_counter() - begin > budget:
            raise RuntimeError(f"did not happen within {budget:.0f} s")
        time.sleep(pause)
    return time.perf_counter() - begin


@contextmanager
def pool(*, max_agents: int = 2, warm: int = 0) -> Iterator[Pool]:
    with tempfile.TemporaryDirectory() as name, RedisServer(Path(name) / "redis") as server:
        directory = Path(name)
        ledger = Ledger.connect(server.url)
        ledger.setup()
        ledger.set_window(max_agents)
        scaler = LocalScaler(
            stream_length(ledger), max_agents=max_agents, min_agents=warm, poll=POLL, log_dir=directory / "agents",
            env={
                **os.environ, Env.REDIS_URL: server.url, Env.ALLOW_FILE_REPOS: "1",
                Env.WORKSPACE: str(directory / "workspace"),
            },
        )  # fmt: skip
        stop = threading.Event()
        thread = threading.Thread(target=scaler.run, args=(stop,))
        thread.start()
        try:
            yield Pool(ledger, scaler, directory)
        finally:
            stop.set()
            thread.join()
            ledger.close()


def repository(directory: Path, files: dict[str, str]) -> Path:
    """A git repository with one commit on main."""
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(content)
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-qm", "bench"]):
        subprocess.run(["git", "-C", str(directory), *command], check=True)
    return directory
