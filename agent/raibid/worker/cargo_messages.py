"""`python -m raibid.worker.cargo_messages FILE cargo clippy --message-format=json-diagnostic-rendered-ansi …`

Owns: a cargo command whose remarks people see as they always did, while their JSON is kept in FILE.
Leaves to others: what the JSON says (`reports_cargo.py`).

A wrapper, not a filter behind a pipe: the exit code is cargo's own, also in a shell without `pipefail` and when cargo
is killed by a signal. Nothing but the standard library, so that it starts in 20 ms.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

MOST_BYTES: Final = 16 * 1024 * 1024
"""Kept; a reader takes no more. Cargo's longest remark seen is 20 KB."""
USAGE: Final = "usage: python -m raibid.worker.cargo_messages FILE COMMAND [ARGUMENT …]"
Write = Callable[[bytes], object]


def main(arguments: list[str]) -> int:
    """Run the command; its exit code. A signal that killed it kills this process too."""
    if len(arguments) < 2:
        print(USAGE, file=sys.stderr)  # noqa: T201 - a command of its own
        return 2
    file, *command = arguments
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 127
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    with contextlib.ExitStack() as held:
        pass_on(process.stdout, _show, _Kept(Path(file), held).write)
    code = process.wait()
    if code < 0:
        if -code != signal.SIGKILL:  # which has no handler to put back
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def pass_on(lines: Iterable[bytes], show: Write, keep: Write) -> None:
    """Each remark's text to `show` and its JSON to `keep`; what is none of cargo's messages is shown as it is.

    A remark that cargo repeats (a library and its tests are two builds) is shown once, as cargo itself does without
    JSON. Its other messages (what it built, that it is done) are for programs: it tells people on stderr.
    """
    shown: set[str] = set()
    for line in lines:
        message = _message(line)
        if message is None:
            show(line)
        elif message["reason"] == "compiler-message":
            keep(line)
            rendered = _rendered(message)
            if rendered and rendered not in shown:
                shown.add(rendered)
                show(rendered.encode("utf-8", "replace"))


def _message(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("reason"), str) else None


def _rendered(message: dict[str, Any]) -> str:
    inner = message.get("message")
    text = inner.get("rendered") if isinstance(inner, dict) else None
    return text if isinstance(text, str) else ""


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class _Kept:
    """FILE, up to the limit. That it cannot be written is said once, and costs no build."""

    def __init__(self, path: Path, held: contextlib.ExitStack) -> None:
        self._path = path
        self._room = MOST_BYTES
        try:
            self._file = held.enter_context(path.open("wb", buffering=0))
        except OSError as error:
            self._give_up(error)

    def write(self, line: bytes) -> None:
        if len(line) > self._room:
            return
        try:
            self._file.write(line)
        except OSError as error:
            self._give_up(error)
        else:
            self._room -= len(line)

    def _give_up(self, error: OSError) -> None:
        self._room = -1
        print(f"remarks are not kept: {self._path}: {error.strerror}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
