"""Servers under test as processes of their own on core 0; Redis and the load share the rest."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from raibid.contract import Env

SECRET = "a-webhook-secret-of-the-bench"
TOKEN = "a-write-token-of-the-bench"


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """CPU it has used since its start."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system


@contextmanager
def announced(command: Sequence[str], env: Mapping[str, str], port_file: Path, log: Path) -> Iterator[Server]:
    """Run a server until the block ends; its port is read from `port_file`."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=output, stderr=output)
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {0})
        deadline = time.monotonic() + 60
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[2]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield Server(int(port_file.read_text()), process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def api(directory: Path, redis_url: str, stream: str) -> Iterator[Server]:
    """The real API; `directory` is its own and empty."""
    directory.mkdir(parents=True)
    for name, value in (("secrets", SECRET), ("write", TOKEN)):
        (directory / name).write_text(value + "\n")
    env = {
        Env.REDIS_URL: redis_url,
        Env.STREAM: stream,
        Env.STORE: (directory / "store").as_uri(),
        Env.WEBHOOK_SECRETS_FILE: str(directory / "secrets"),
        Env.WRITE_TOKENS_FILE: str(directory / "write"),
    }
    code = (
        "import sys; from pathlib import Path;"
        "from raibid.api.main import serve; from raibid.api.settings import Settings;"
        "serve(Settings.load(), port=0, log_level='warning', port_file=Path(sys.argv[1]))"
    )
    port_file = directory / "port"
    with announced([sys.executable, "-c", code, str(port_file)], env, port_file, directory / "log") as server:
        yield server


@contextmanager
def twin(directory: Path, redis_url: str, stream: str) -> Iterator[Server]:
    """The usual FastAPI way, see twin_app.py."""
    directory.mkdir(parents=True)
    (directory / "secrets").write_text(SECRET)
    port_file = directory / "port"
    command = [sys.executable, "-m", "tests.bench.twin_app", str(directory / "secrets"), redis_url, stream]
    with announced(command, {"PORT_FILE": str(port_file)}, port_file, directory / "log") as server:
        yield server
