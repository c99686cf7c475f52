"""What an agent process of a run does: the pool's own agent, only that its checkout makes the repository up.

Owns: the pipeline of a chaos job, the agent's settings.
Leaves to others: claiming, leases, steps, logs, the last word (`raibid.worker`), being forked and killed (`forker.py`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from raibid.model.job import JobSpec
from raibid.worker import artifacts, build, pipeline_run  # noqa: F401 -- imported once, before the forks
from raibid.worker.agent import run_agent
from raibid.worker.config import AgentConfig
from raibid.worker.stop import Stop, signals

from tests.chaos.world import World

PIPELINE: Final = """\
steps:
  - name: work
    run: sleep "${WORK:-0.05}"; echo done; exit "${CODE:-0}"
"""
"""`WORK` seconds and the exit `CODE` are the job's parameters; a webhook has none."""


def make_up(spec: JobSpec, directory: Path, _config: AgentConfig, _stop: Stop) -> str:
    """The checkout: a repository that has nothing but its pipeline file, which may name a concurrency group."""
    group = spec.params.get("GROUP")
    (directory / ".raibid.yaml").write_text((f"concurrency: {group}\n" if group else "") + PIPELINE)
    return "0" * 40


def slow_clock(name: str) -> bool:
    """Whether the agent's clock runs slow; every second one's does.

    An agent that wakes up after its lease sees that by its clock and keeps silent, so the fencing token would hardly
    ever be needed. With a slow clock it believes in its lease, and only the token is left.
    """
    return int(name.rpartition("-")[2]) % 2 == 0


def clock_of(name: str) -> tuple[Callable[[], float], float]:
    """The agent's own clock and its speed."""
    speed = 0.2 if slow_clock(name) else 1.0
    return lambda: time.monotonic() * speed, speed


def run(world: World, name: str) -> None:
    """Be an agent until its end; the exit code is the agent's."""
    ledger = world.ledger()
    clock, speed = clock_of(name)
    config = AgentConfig(
        name=name,
        workspace=Path(world.directory) / "work",
        patience=(world.lease + 3) * speed,
        grace=1.0,
        environment={"PATH": os.environ["PATH"], "HOME": world.directory},
    )
    with Stop() as stop, signals(stop):
        code = run_agent(ledger, config, stop=stop, get=make_up, clock=clock)
    ledger.give_up()
    sys.exit(code)
