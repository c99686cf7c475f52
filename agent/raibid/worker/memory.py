"""A ceiling on the memory of a step's processes, as the system allows one.

Owns: choosing the ceiling, applying it, telling afterwards whether it was what killed the step.
Leaves to others: how much (`AgentConfig.memory_limit`), starting the step (`steps.py`).
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from raibid.worker.errors import InfrastructureError

_log = logging.getLogger(__name__)
_CGROUPS: Final = Path("/sys/fs/cgroup")


class Ceiling(Protocol):
    """A limit on memory around one step."""

    note: str  #: for the log: which limit it is
    prelude: str  #: shell code before the step's own, on the same line: line numbers in errors stay right

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def killed(self, exit_code: int, output_tail: bytes) -> bool:
        """Whether the ceiling ended the step. To be asked before leaving."""
        ...


class NoCeiling:
    """No limit is configured."""

    note = ""
    prelude = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def killed(self, exit_code: int, output_tail: bytes) -> bool:  # noqa: ARG002 - there is no limit to reach
        """Never."""
        return False


class DataLimit(NoCeiling):
    """RLIMIT_DATA: each process by itself, heap and anonymous mappings; allocation fails instead of a kill.

    Not RLIMIT_AS: compilers and sanitizers reserve far more address space than they ever use.
    """

    def __init__(self, limit: int) -> None:
        kib = max(1, limit // 1024)
        self.note = f"memory limit: {limit >> 20} MiB of data per process (rlimit; no writable cgroup)"
        self.prelude = f"ulimit -d {kib}; "

    def killed(self, exit_code: int, output_tail: bytes) -> bool:
        """A failed step whose last words are about memory: an rlimit leaves no other trace."""
        return exit_code != 0 and any(words in output_tail.lower() for words in _OUT_OF_MEMORY)


_OUT_OF_MEMORY: Final = (
    b"memoryerror",
    b"cannot allocate memory",
    b"out of memory",
    b"memory exhausted",
    b"memory allocation of",  # Rust's abort: "memory allocation of N bytes failed"
    b"std::bad_alloc",
)


class Cgroup:
    """A child group of cgroup v2: all processes of the step together, killed by the kernel."""

    def __init__(self, parent: Path, limit: int) -> None:
        self._path = parent / f"raibid-{secrets.token_hex(4)}"
        self._limit = limit
        self.note = f"memory limit: {limit >> 20} MiB for all processes together (cgroup)"
        self.prelude = f"echo $$ > '{self._path}/cgroup.procs'; "

    def __enter__(self) -> Self:
        try:
            self._path.mkdir()
            (self._path / "memory.max").write_text(str(self._limit))
            (self._path / "memory.oom.group").write_text("1")
        except OSError as error:
            raise InfrastructureError(f"memory limit: {self._path}: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._path.rmdir()
        except OSError as error:
            _log.warning("cgroup %s is not removed: %s", self._path, error.strerror)

    def killed(self, exit_code: int, output_tail: bytes) -> bool:  # noqa: ARG002 - the kernel counts its kills
        """Whether the kernel's count of kills is not zero."""
        return exit_code != 0 and oom_kills((self._path / "memory.events").read_text()) > 0


def ceiling(limit: int, parent: Path | None) -> Ceiling:
    """The best ceiling for `limit` bytes (0: none); `parent` is a cgroup that may have children, if there is one."""
    if not limit:
        return NoCeiling()
    return Cgroup(parent, limit) if parent else DataLimit(limit)


def writable_cgroup(own: str | None = None, root: Path = _CGROUPS) -> Path | None:
    """This process's cgroup v2 if children with a memory limit may be made in it.

    Args:
        own: text of /proc/self/cgroup.
        root: where cgroup v2 is mounted.
    """
    if own is None:
        try:
            own = Path("/proc/self/cgroup").read_text()
        except OSError:
            return None  # not Linux
    name = next((line[3:] for line in own.splitlines() if line.startswith("0::")), None)
    if name is None:
        return None
    group = root / name.lstrip("/")
    try:
        handed_down = "memory" in (group / "cgroup.subtree_control").read_text().split()
    except OSError:
        return None  # cgroup v1, or not mounted here
    return group if handed_down and os.access(group, os.W_OK) else None


def oom_kills(events: str) -> int:
    """The `oom_kill` count of a memory.events file."""
    counts = dict(line.split() for line in events.splitlines() if line)
    return int(counts.get("oom_kill", 0))
