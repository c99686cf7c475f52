"""What the agent's tests share: real repositories, an agent's settings, a job in the ledger."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from raibid.ledger import Ledger, NewJob, Timing
from raibid.model.job import Job, JobSpec
from raibid.worker.agent import run_agent
from raibid.worker.config import AgentConfig
from raibid.worker.stop import Stop


class Repository:
    """A bare repository as the forge has it, and a clone that pushes to it."""

    def __init__(self, root: Path) -> None:
        self.bare = root / "forge" / "crate.git"
        self._clone = root / "desk"
        self._git(root, "init", "-q", "--bare", "-b", "main", str(self.bare))
        self._git(root, "clone", "-q", str(self.bare), str(self._clone))
        self.git("checkout", "-q", "-b", "main")

    @staticmethod
    def _git(at: Path, *args: str) -> str:
        who = ["-c", "user.name=Dev", "-c", "user.email=dev@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", str(at), *who, *args], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def git(self, *args: str) -> str:
        return self._git(self._clone, *args)

    def push(self, files: dict[str, str], *options: str) -> str:
        """Commit files and push; the commit's id."""
        for name, content in files.items():
            path = self._clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change", *options)
        self.git("push", "-q", "--force", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def pull_request(self, number: int, files: dict[str, str], *, on: str = "main") -> str:
        """Commit files where only the pull request's ref leads to; the commit's id."""
        self.git("checkout", "-q", "--detach", on)
        for name, content in files.items():
            (self._clone / name).write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change of a pull request")
        self.git("push", "-q", "--force", "origin", f"HEAD:refs/pull/{number}/head")
        sha = self.git("rev-parse", "HEAD")
        self.git("checkout", "-q", "main")
        return sha

    def spec(self, sha: str = "", **changes: object) -> JobSpec:
        values = {"repo": "dev/crate", "clone_url": str(self.bare), "ref": "refs/heads/main", "sha": sha, **changes}
        return JobSpec(**values)  # type: ignore[arg-type]


def enqueue(ledger: Ledger, spec: JobSpec) -> str:
    return ledger.enqueue([NewJob(spec=spec, dedupe=uuid.uuid4().hex)])[0].id


class Background:
    """An agent in a thread, so that the test can do something to its job meanwhile."""

    def __init__(self, ledger: Ledger, config: AgentConfig, stop: Stop, run: Callable[..., int] = run_agent) -> None:
        self.exit_code: int | None = None
        self._run_agent = run
        self._thread = threading.Thread(target=self._run, args=(ledger, config, stop))
        self._thread.start()

    def _run(self, ledger: Ledger, config: AgentConfig, stop: Stop) -> None:
        self.exit_code = self._run_agent(ledger, config, stop=stop)

    def join(self) -> int | None:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.exit_code


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    return AgentConfig(
        name=f"agent-{uuid.uuid4().hex[:6]}",
        workspace=tmp_path / "work",
        patience=0.0,
        grace=0.3,
        allow_file_repos=True,
        environment=dict(os.environ),
    )


@pytest.fixture
def stop() -> Iterator[Stop]:
    with Stop() as stop:
        yield stop


Fresh = Callable[[ModuleType], Any]


@pytest.fixture(params=[86_400, -86_400], ids=["forwards", "backwards"])
def leaping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fresh:
    """The wall clock leaps by a day at each look. Gives a module as it is when imported into such a world."""
    days, real = itertools.count(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + request.param * next(days))

    def fresh(module: ModuleType) -> Any:
        spec = importlib.util.find_spec(module.__name__)
        assert spec is not None
        assert spec.loader is not None
        copy = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(copy)
        return copy

    return fresh


@pytest.fixture
def quick(ledger: Ledger, redis_server: object) -> Ledger:
    """The ledger with beats fast enough for a test."""
    return Ledger(ledger.client, stream=ledger.keys.stream, timing=Timing(lease=5.0, beat=0.05))


Built = Callable[..., Job]


@pytest.fixture
def built(ledger: Ledger, config: AgentConfig, stop: Stop) -> Built:
    """Enqueue a spec, let one agent run, give back the record."""

    def run(spec: JobSpec, agent: AgentConfig = config) -> Job:
        enqueued = ledger.enqueue([NewJob(spec=spec, dedupe=uuid.uuid4().hex)])[0]
        assert run_agent(ledger, agent, stop=stop) == 0
        return record(ledger, enqueued.id)

    return run


def record(ledger: Ledger, job_id: str) -> Job:
    job = ledger.records.get(job_id)
    assert job is not None
    return job


def log_of(ledger: Ledger, job_id: str) -> str:
    return b"".join(chunk.data for chunk in ledger.logs.read(job_id, count=100_000)).decode()


def pipeline(*runs: str, **keys: str) -> dict[str, str]:
    """A `.raibid.yaml` with a step for each command."""
    lines = [f"{key}: {value}" for key, value in keys.items()]
    lines.append("steps:")
    for number, run in enumerate(runs, 1):
        lines += [f"  - name: step {number}", "    run: |"] + [f"      {line}" for line in run.splitlines()]
    return {".raibid.yaml": "\n".join(lines) + "\n"}
