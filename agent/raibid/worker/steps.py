"""One command from start to end: its process group, its output, its limits, and nothing left of it afterwards.

Owns: starting, waiting, time limits, measuring.
Leaves to others: which command and environment (`pipeline_run.py`, `checkout.py`), killing (`process_tree.py`),
the memory ceiling (`memory.py`).
"""

from __future__ import annotations

import os
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

from raibid.worker.errors import InfrastructureError
from raibid.worker.memory import Ceiling, NoCeiling
from raibid.worker.process_tree import ProcessTree
from raibid.worker.stop import Stop, StopReason

_READ_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 4096
_LAST_WORDS_SECONDS: Final = 1.0
"""A `>(tee log)` writes its last lines after the shell has ended; a daemon that holds the pipe costs this long."""

_CLOSED_SECONDS: Final = 10.0
"""With every process of the step gone its pipe is closed; what is in it is read in milliseconds."""

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
    peak_rss: int  #: bytes, of its largest process
    cause: str = ""  #: why it was killed: TIMEOUT or a StopReason; empty if it ended by itself
    out_of_memory: bool = False


def shell(script: str) -> list[str]:
    """The script in bash, which stops at the first failing command of a pipeline too; in sh where there is none."""
    bash = shutil.which("bash")
    return [bash, "-eo", "pipefail", "-c", script] if bash else ["/bin/sh", "-e", "-c", script]


def run(command: Command, write: Write, stop: Stop) -> Ended:
    """Run a command to its end; stdout and stderr go to `write` as one stream, in order, from another thread.

    Returns only when no process of the command is left, also of those it put into the background.

    Raises:
        InfrastructureError: it cannot be started or cannot be killed. Whatever `write` raises.
    """
    tree = ProcessTree()
    with command.ceiling as ceiling:
        started = time.monotonic()
        process, output = _start(command)
        tree.leader = process.pid
        tail = _follow(output, write)
        cause = _await_end(process.pid, started + command.timeout, stop)
        if not cause:
            wait([tail], _LAST_WORDS_SECONDS)
        grace = command.grace if cause != StopReason.STALE else 0.0
        if not tree.end(grace, hurry=lambda: stop.reason is StopReason.STALE):
            raise InfrastructureError(f"processes of {command.argv[0]} survive SIGKILL")
        exit_code, peak_rss = _read_status(process)
        seconds = time.monotonic() - started
        last_words = _last_words(tail, command)
        out_of_memory = not cause and ceiling.killed(exit_code, last_words)
    return Ended(exit_code=exit_code, seconds=seconds, peak_rss=peak_rss, cause=cause, out_of_memory=out_of_memory)


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
    except OSError as error:
        os.close(reading)
        raise InfrastructureError(f"{command.argv[0]} does not start: {error.strerror}") from error
    finally:
        os.close(writing)
    return process, reading


def _follow(output: int, write: Write) -> Future[bytes]:
    """`_pump` in a daemon thread: a process that survives even SIGKILL keeps the pipe open, and the agent must still
    be able to say so and exit."""
    tail: Future[bytes] = Future()

    def follow() -> None:
        try:
            tail.set_result(_pump(output, write))
        except BaseException as error:  # noqa: BLE001 - raised again by whoever asks for the result
            tail.set_exception(error)

    threading.Thread(target=follow, name="output", daemon=True).start()
    return tail


def _last_words(tail: Future[bytes], command: Command) -> bytes:
    try:
        return tail.result(_CLOSED_SECONDS)
    except TimeoutError:
        raise InfrastructureError(f"something outside the step holds the output of {command.argv[0]} open") from None


def _pump(output: int, write: Write) -> bytes:
    """Pass on the output until nobody can write any more; its last bytes.

    If `write` fails the pipe is closed, so that the command ends by SIGPIPE instead of waiting for a reader.
    """
    tail = b""
    try:
        while data := os.read(output, _READ_BYTES):
            tail = (tail + data)[-_TAIL_BYTES:]
            write(data)
    finally:
        os.close(output)
    return tail


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


def _read_status(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Exit code and peak RSS in bytes of an ended process and all it waited for.

    Until exec the kernel counts the agent's own pages, about 75 MB, so a smaller command shows as that.
    """
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * 1024
