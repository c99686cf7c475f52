"""One process of the pool: started with a log file, watched, ended.

Owns: start, readiness by probing, end, the last lines of its log.
Leaves to others: the order of the parts (`pool.py`), what they do.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from raibid.local.errors import PartError

_PROBE_SECONDS: Final = 0.02
_LAST_LINES: Final = 8


class Part:
    """A process in a session of its own: Ctrl-C at the terminal is for the pool, which ends its parts in order."""

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def await_ready(self, ready: Callable[[], bool], budget: float) -> None:
        """Return when `ready()` says so.

        Raises:
            PartError: it died first, or was not ready within `budget` seconds.
        """
        deadline = time.monotonic() + budget
        while not ready():
            if not self.alive:
                raise PartError(self.obituary())
            if time.monotonic() > deadline:
                raise PartError(f"{self.name} was not ready within {budget:.0f} s\n{last_lines(self.log)}")
            time.sleep(_PROBE_SECONDS)

    def obituary(self) -> str:
        """Which part ended, how, and what it said last."""
        code = self._process.poll()
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}\n{last_lines(self.log)}"

    def end(self, grace: float) -> bool:
        """SIGTERM, and SIGKILL after `grace` seconds. Whether it ended by itself."""
        if self.alive:
            self._process.terminate()
        try:
            self._process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True


def last_lines(log: Path, count: int = _LAST_LINES) -> str:
    """The end of a log file, with its path for the rest."""
    return "\n".join([*(f"  | {line}" for line in _tail(log)[-count:]), f"  the whole log: {log}"])


def last_line(log: Path) -> str:
    """The last line of a log file; empty if there is none."""
    return next(reversed(_tail(log)), "")


def _tail(log: Path) -> list[str]:
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return file.read().decode(errors="replace").splitlines()
