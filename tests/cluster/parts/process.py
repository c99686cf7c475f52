"""A part of the cluster as a plain process: its directory, its log, its readiness, its end.

Owns: start, probe, stop and kill by the process's own pid; the log's end in every error.
Leaves to others: command lines and probes (a file per part).
"""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.cluster.errors import ClusterError
from tests.cluster.tools.toolchain import system_program

START_BUDGET: Final = 90.0
"""Seconds until a part must be ready: ten times what it takes alone, since machines are shared."""
_STOP_BUDGET: Final = 20.0
_PROBE_PAUSE: Final = 0.05
_TAIL: Final = 30


class PartError(ClusterError):
    """A part did not start, or ended by itself; the message holds the end of its log."""


class Part:
    """One process. Restartable with the same arguments in the same directory: `kill()`, then `start()`."""

    def __init__(
        self,
        name: str,
        directory: Path,
        argv: Sequence[str | Path],
        *,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name: Final = name
        self.directory: Final = directory
        self.log: Final = directory / f"{name}.log"
        self._argv = [str(argument) for argument in argv]
        self._ready = ready
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> Self:
        """Start it and return when its probe answers.

        Call it from the main thread: the process dies with the thread that started it, so that not even a killed test
        run leaves anything behind.

        Raises:
            PartError: it ended, or did not get ready in time.
        """
        self.launch()
        return self.wait()

    def launch(self) -> Self:
        """Start it without waiting, for parts that get ready side by side; `wait` comes later."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(system_program("setpriv", "util-linux")), "--pdeathsig", "KILL", "--", *self._argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self._env,
                start_new_session=True,
            )
        return self

    def wait(self) -> Self:
        """Return when its probe answers. Raises PartError."""
        deadline = time.monotonic() + START_BUDGET
        while not self._ready():
            if self.pid is None:
                raise PartError(f"{self.name} ended at its start:\n{self.tail()}")
            if time.monotonic() >= deadline:
                self.stop()
                raise PartError(f"{self.name} was not ready within {START_BUDGET:.0f} s:\n{self.tail()}")
            time.sleep(_PROBE_PAUSE)
        return self

    def stop(self) -> None:
        """SIGTERM; SIGKILL if that is not enough."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=_STOP_BUDGET)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as an accident would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def restart(self) -> Self:
        """Kill it and start it again."""
        self.kill()
        return self.start()

    def tail(self, lines: int = _TAIL) -> str:
        """The end of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def answers(url: str, *, ca: Path | None = None, token: str = "") -> Callable[[], bool]:
    """A probe: whether a GET is answered with 200."""
    context = ssl.create_default_context(cafile=str(ca)) if ca else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
    )
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})

    def probe() -> bool:
        try:
            with opener.open(request, timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return probe
