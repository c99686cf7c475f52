"""Room for git to work in: bounded, thrown away afterwards, and the large ones one at a time.

Where a pod has little disk, more than that evicts it. git has no limit of its own for what it fetches.

Owns: how much there is, whose turn it is.
Leaves to others: ending a command that needs more (`cli.py`), what is done in a room.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raibid.git.errors import StoppedError, TooLargeError

_SMALL: Final = 10
"""So many small rooms are as much as a large one."""
_GLANCE: Final = 0.2


@dataclass(frozen=True)
class Room:
    """A directory, and how many bytes may be in it."""

    at: Path
    most: int

    def check(self) -> None:
        """Raises TooLargeError: there are more by now."""
        found = 0
        for directory, _, files in os.walk(self.at):
            for file in files:
                with suppress(FileNotFoundError):  # git renames them meanwhile
                    found += (Path(directory) / file).lstat().st_size
        if found > self.most:
            raise TooLargeError(f"it needs more than the {self.most / 1e6:.3g} MB that there are for it")


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Of one process, below TMPDIR."""

    most: int = 150_000_000
    """Bytes in the large room; each small one has a tenth of it."""
    stop: threading.Event = field(default_factory=threading.Event)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def small(self) -> Iterator[Room]:
        """For commits of one push."""
        with tempfile.TemporaryDirectory(prefix="raibid-git-") as place:
            yield Room(Path(place), self.most // _SMALL)

    @contextmanager
    def large(self) -> Iterator[Room]:
        """For all of a repository. Raises StoppedError: we are ending, and it was not our turn yet."""
        while not self.turn.acquire(timeout=_GLANCE):
            if self.stop.is_set():
                raise StoppedError("others had the room")
        try:
            with tempfile.TemporaryDirectory(prefix="raibid-git-") as place:
                yield Room(Path(place), self.most)
        finally:
            self.turn.release()
