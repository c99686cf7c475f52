"""A private redis-server process: durable as the pool needs it, on loopback, in a directory of its own.

Owns: its configuration, start, readiness, end.
Leaves to others: installing redis-server (`install.py`), ACL users (`raibid.contract.redis_acl`).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from raibid.local.errors import PartError

_START_BUDGET: Final = 30.0
_PORTS: Final = 5
"""Free ports tried: another process may take one between the look and the bind."""


class RedisServerError(PartError):
    """redis-server is missing, or did not start; the message says what to do."""


class PortTakenError(RedisServerError):
    """Another process listens on its port."""


def free_port() -> int:
    """A TCP port on loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_redis_server() -> str:
    """Path of redis-server. Raises RedisServerError with the remedy."""
    found = shutil.which("redis-server")
    if not found:
        raise RedisServerError(
            "redis-server is not on PATH: install it (apt-get install redis-server, or dnf install redis)"
        )
    return found


class RedisServer:
    """One redis-server. Restartable on the same directory: `kill()`, then `start()`."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        acl_file: Path | None = None,
        config: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._port_is_known = bool(port)
        self._acl_file = acl_file
        self._config = dict(config or {})
        self._env = dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:port/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> Path:
        """The server's own log file."""
        return self.directory / "redis.log"

    @property
    def started(self) -> bool:
        """Whether it was started and not ended by `stop` or `kill`; it may have died since."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> Self:
        """Start and return when it answers. Raises RedisServerError with the log's end."""
        self.directory.mkdir(parents=True, exist_ok=True)
        tries = 1 if self._port_is_known else _PORTS
        for left in reversed(range(tries)):
            try:
                self._launch()
                break
            except PortTakenError:
                if not left:
                    raise
                self.port = free_port()
        self._port_is_known = True  # a restart is where its clients look for it
        return self

    def _launch(self) -> None:
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "logfile": str(self.log),
            "daemonize": "no",
            # An acknowledged job survives a power cut; everysec lost 261 of 3,000 (spec/queue.md 2.4).
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "300 10",
            "maxmemory-policy": "noeviction",
            **({"aclfile": str(self._acl_file)} if self._acl_file else {}),
            **self._config,
        }
        command = [find_redis_server()]
        for name, value in settings.items():
            command += [f"--{name}", *(value.split() if name == "save" and value else [value])]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self._env},
            start_new_session=True,  # Ctrl-C is for the pool's main process, which then ends this one last
        )
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_BUDGET
        probe = redis.Redis(port=self.port, socket_timeout=1.0, retry=Retry(NoBackoff(), 0))
        try:
            while time.monotonic() < deadline:
                if self._process is None or self._process.poll() is not None:
                    last = self._last_lines()
                    kind = PortTakenError if "Address already in use" in last else RedisServerError
                    raise kind(f"redis-server did not start:\n{last}")
                try:
                    probe.ping()
                    return
                except redis.AuthenticationError:
                    return
                except redis.ResponseError as error:
                    if str(error).startswith("NOAUTH"):
                        return
                except (redis.ConnectionError, redis.TimeoutError):
                    pass
                time.sleep(0.01)
            raise RedisServerError(f"redis-server did not answer within {_START_BUDGET:.0f} s:\n{self._last_lines()}")
        finally:
            probe.close()

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:]) if self.log.exists() else "(no log)"

    def kill(self) -> None:
        """SIGKILL: the way a crash ends it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM and wait: files are flushed."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
