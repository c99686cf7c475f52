"""One command from start to end: its process group, its output, its limits, and nothing left of it afterwards.

Owns: starting, waiting, time limits, measuring.
Leaves to others: which command and environment (`pipeline_run.py`, `checkout.py`), killing (`process_tree.py`),
the memory ceiling (`memory.py`).
"""

from __future__ import annotations

import errno
import os
import re
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raibid.worker.errors import InfrastructureError, JobFaultError
from raibid.worker.memory import Ceiling, NoCeiling
from raibid.worker.process_tree import ProcessTree
from raibid.worker.stop import Stop, StopReason

_READ_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 4096
_LAST_WORDS_SECONDS: Final = 1.0
"""A `>(tee log)` writes its last lines after the shell has ended; a daemon that holds the pipe costs this long."""

_CLOSED_SECONDS: Final = 10.0
"""With every process of the step gone its pipe is closed; what is in it is read in milliseconds."""

_SILENCE_SECONDS: Final = 1.0
"""An output that pauses for so long may be at a prompt or a test's name, which somebody reads."""

_ROUNDING: Final = 1024 * 1024
"""The kernel adds up pages loosely: this process's size read here and from a small child differed by up to 0.7 MB
(2026-11-21, an agent of 60 MB)."""

TIMEOUT: Final = "timeout"
Write = Callable[[bytes], object]


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run. `timeout` and `grace` in seconds."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    timeout: float
    grace: float
    ceiling: Ceiling = field(default_factory=NoCeiling)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    exit_code: int  #: negative: killed by that signal
    seconds: float
    peak_rss: int  #: bytes, of its largest process; 0: not known, less than this process itself has had
    cause: str = ""  #: why it was killed: TIMEOUT or a StopReason; empty if it ended by itself
    out_of_memory: bool = False
    last_words: bytes = b""  #: the end of its output, as it came


def shell(script: str) -> list[str]:
    """The script in bash, which stops at the first failing command of a pipeline too; in sh where there is none."""
    bash = shutil.which("bash")
    return [bash, "-eo", "pipefail", "-c", script] if bash else ["/bin/sh", "-e", "-c", script]


def run(command: Command, write: Write, stop: Stop, *, silence: Callable[[], object] = lambda: None) -> Ended:
    """Run a command to its end; stdout and stderr go to `write` as one stream, in order, from another thread.

    Returns only when no process of the command is left, also of those it put into the background.

    Args:
        command: what to run.
        write: takes the output.
        stop: ends it before its time.
        silence: called in `write`'s thread, once per pause, when nothing was said for a second.

    Raises:
        JobFaultError: no system could start it. InfrastructureError: it cannot be started here or cannot be killed.
        Whatever `write` raises.
    """
    tree = ProcessTree()
    with command.ceiling as ceiling:
        started = time.monotonic()
        process, output = _start(command)
        floor = _own_peak()
        tree.leader = process.pid
        tail = _follow(output, write, silence)
        cause = _await_end(process.pid, started + command.timeout, stop)
        if not cause:
            wait([tail], _LAST_WORDS_SECONDS)
        grace = command.grace if cause != StopReason.STALE else 0.0
        if not tree.end(grace, hurry=lambda: stop.reason is StopReason.STALE):
            raise InfrastructureError(f"processes of {command.argv[0]} survive SIGKILL")
        exit_code, peak_rss = _read_status(process, floor)
        seconds = time.monotonic() - started
        last_words = _last_words(tail, command)
        out_of_memory = not cause and ceiling.killed(exit_code, last_words)
    return Ended(
        exit_code=exit_code,
        seconds=seconds,
        peak_rss=peak_rss,
        cause=cause,
        out_of_memory=out_of_memory,
        last_words=last_words,
    )


def _start(command: Command) -> tuple[subprocess.Popen[bytes], int]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        os.close(reading)
        raise _start_error(command.argv[0], error) from error
    finally:
        os.close(writing)
    return process, reading


def _start_error(program: str, error: OSError | ValueError) -> InfrastructureError | JobFaultError:
    """A script or an environment that no system takes is the job's: a NUL in it, or longer than the kernel allows."""
    if not isinstance(error, OSError):
        return JobFaultError(f"{program} cannot be given this script or environment: {error}")
    if error.errno == errno.E2BIG:
        return JobFaultError(f"{program} cannot be given this script or environment: {error.strerror}")
    return InfrastructureError(f"{program} does not start: {error.strerror}")


def _follow(output: int, write: Write, silence: Callable[[], object]) -> Future[bytes]:
    """`_pump` in a daemon thread: a process that survives even SIGKILL keeps the pipe open, and the agent must still
    be able to say so and exit."""
    tail: Future[bytes] = Future()

    def follow() -> None:
        try:
            tail.set_result(_pump(output, write, silence))
        except BaseException as error:  # noqa: BLE001 - raised again by whoever asks for the result
            tail.set_exception(error)

    threading.Thread(target=follow, name="output", daemon=True).start()
    return tail


def _last_words(tail: Future[bytes], command: Command) -> bytes:
    try:
        return tail.result(_CLOSED_SECONDS)
    except TimeoutError:
        raise InfrastructureError(f"something outside the step holds the output of {command.argv[0]} open") from None


def _pump(output: int, write: Write, silence: Callable[[], object]) -> bytes:
    """Pass on the output until nobody can write any more; its last bytes.

    If `write` fails the pipe is closed, so that the command ends by SIGPIPE instead of waiting for a reader.
    """
    tail = b""
    try:
        while data := _read(output, silence):
            tail = (tail + data)[-_TAIL_BYTES:]
            write(data)
    finally:
        os.close(output)
    return tail


def _read(output: int, silence: Callable[[], object]) -> bytes:
    if not select.select([output], [], [], _SILENCE_SECONDS)[0]:
        silence()
    return os.read(output, _READ_BYTES)


def _await_end(pid: int, deadline: float, stop: Stop) -> str:
    """Wait until the process ends by itself (empty), the deadline passes, or somebody asks for the end."""
    ended = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([ended, stop.fileno()], [], [], max(0.0, deadline - time.monotonic()))
    finally:
        os.close(ended)
    if ended in ready:
        return ""
    return str(stop.reason) if stop.fileno() in ready else TIMEOUT


def _own_peak() -> int:
    """The most memory this process ever had, in bytes.

    Until exec the kernel counts the parent's pages as the child's, so no child is reported smaller than this.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _read_status(process: subprocess.Popen[bytes], floor: int) -> tuple[int, int]:
    """Exit code of an ended process, peak RSS in bytes of it and all it waited for; 0 if that could be `floor`'s."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss * 1024
    return process.returncode, peak if peak > floor + _ROUNDING else 0
