"""Parts that outlived their pool: after `kill -9` of `raibid up` its Redis, API and scaler run on.

Owns: the list of a pool's processes on disk, ending what is left of the last one before the next one starts.
Leaves to others: starting them (`pool.py`). Without this a second redis-server would write the same append-only file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import psutil

from raibid.local.state import write_private

_GRACE: Final = 75.0  # as the pool gives its scaler: agents hand their jobs back


class Trace(msgspec.Struct, frozen=True):
    """A process beyond doubt: ids are used again, an id with its start is not."""

    name: str
    pid: int
    started: float


class Traces:
    """The processes of the pool that uses a state directory, in the order they were started."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, name: str, pid: int) -> None:
        """Note a part that has just been started."""
        try:
            started = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return  # it ended at once; whoever waits for it will say so
        write_private(self._file, msgspec.json.encode([*self._read(), Trace(name, pid, started)]).decode())

    def clear(self) -> None:
        """The pool has ended all of them itself."""
        self._file.unlink(missing_ok=True)

    def end(self) -> list[str]:
        """End what still runs, the last started first; their names."""
        ended = []
        for trace in reversed(self._read()):
            try:
                process = psutil.Process(trace.pid)
                if process.create_time() != trace.started:
                    continue
                process.terminate()
                process.wait(_GRACE)
            except psutil.NoSuchProcess:
                continue
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(_GRACE)
            ended.append(trace.name)
        self.clear()
        return ended

    def _read(self) -> list[Trace]:
        if not self._file.exists():
            return []
        return msgspec.json.decode(self._file.read_bytes(), type=list[Trace])
