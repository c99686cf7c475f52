"""Power loss for Redis: its files lose every byte that was not yet fdatasync'd.

Owns: building the shim `power_loss.c`, reading its notes, cutting the append-only files back.
Leaves to others: killing and restarting redis-server (`harness.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("power_loss.c")


class PowerLossError(Exception):
    """The shim cannot be built, or it noted nothing; the message says what to do."""


class PowerLoss:
    """The shim of one redis-server: give `env` to the server, call `cut` while it is dead."""

    def __init__(self, directory: Path) -> None:
        self._library = directory / "power_loss.so"
        self._notes = directory / "synced.log"
        self._trap = directory / "trap"

    def build(self) -> None:
        """Compile the shim. Raises PowerLossError with the remedy."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise PowerLossError(
                "no C compiler for the power-loss shim: install one (apt-get install gcc) or run with --no-power-loss"
            )
        command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", str(self._library), str(_SOURCE), "-ldl"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PowerLossError(f"{' '.join(command)}:\n{done.stderr}")

    @property
    def env(self) -> dict[str, str]:
        """What redis-server's environment needs."""
        return {
            "LD_PRELOAD": str(self._library),
            "POWER_LOSS_LOG": str(self._notes),
            "POWER_LOSS_TRAP": str(self._trap),
        }

    def arm(self) -> None:
        """From now on the server dies at its next sync, just before it: the moment in which a power cut costs most."""
        self._trap.touch()

    def synced(self) -> dict[int, int]:
        """Inode → bytes that are safe."""
        if not self._notes.exists():
            raise PowerLossError(f"{self._notes}: redis-server synced nothing; is LD_PRELOAD disabled here?")
        lines = (line.split() for line in self._notes.read_text().splitlines())
        return {int(inode): int(size) for inode, size in lines}

    def cut(self, append_only_dir: Path) -> int:
        """Cut each append-only file back to what is safe; returns the bytes lost. The server must be dead."""
        self._trap.unlink(missing_ok=True)
        safe, lost = self.synced(), 0
        for path in append_only_dir.glob("*.aof"):
            stat = path.stat()
            keep = safe.get(stat.st_ino, 0)
            if keep < stat.st_size:
                lost += stat.st_size - keep
                os.truncate(path, keep)
        return lost
