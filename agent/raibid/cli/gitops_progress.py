"""A commit on its way, shown while somebody waits: each step as it comes, then the outcome.

Owns: the words, colours and JSON lines of a watch; the exit code of each end. For every command that follows a commit.
Leaves to others: following (`raibid.gitops.watch`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

from raibid.cli.output import Output, duration, line, write
from raibid.cli.readable import readable
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from raibid.gitops.watch.outcome import Progress, Result, Step

_STYLES: Final = {"healthy": "green", "failing": "red", "not-healthy": "red", "superseded": "magenta"}
_EVENTS: Final = 5
"""The newest events that are shown; --json has all."""


@contextmanager
def shown(output: Output) -> Iterator[Callable[[Step], None]]:
    """Whom each step is told to: lines of JSON on stdout, lines on stderr, or a line with a clock on a terminal."""
    if output.json:
        yield lambda step: _emit({"step": _step(step)})
    elif os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        yield lambda step: output.say(f"{step.seconds:6.1f} s  {words(step.progress)}")
    else:
        console = Console(stderr=True)
        with console.status("looking") as status:

            def tell(step: Step) -> None:
                style = _STYLES.get(step.progress.outcome, "yellow")
                said = Text.assemble((f"{step.seconds:6.1f} s  ", "dim"), (words(step.progress), style))
                console.print(said, soft_wrap=True)
                status.update(Text(readable(f"{step.progress.object or ''}")))

            yield tell


def end(output: Output, result: Result) -> int:
    """The last word, and the exit code: 0 healthy, 1 not, 10 the time was over before it was clear."""
    if output.json:
        _emit({"result": as_data(result)})
    else:
        for note in result.notes:
            output.say(f"note: {note}")
        after = f" after {duration(result.seconds)}" if result.seconds >= 1 else ""
        late = ", and the time is over" if result.timed_out else ""
        line(f"{result.sha[:12]} is {result.outcome}{after}{late}", _STYLES.get(result.outcome, "yellow"))
        if not result.healthy:
            line(f"{result.object or ''}: {result.message}".removeprefix(": "))
            for happening in result.happenings[-_EVENTS:]:
                line(f"  {happening.at}  {happening.type}  {happening.reason}: {happening.message}")
    if result.healthy:
        return ExitCode.OK
    return ExitCode.UNFINISHED if result.timed_out else ExitCode.FAILED


def words(progress: Progress) -> str:
    """A progress as one line."""
    about = readable(f"  {progress.object}") if progress.object else ""
    message = readable(" ".join(progress.message.split()))
    return f"{progress.outcome:<13}{about}  {message}".rstrip()


def as_data(result: Result) -> dict[str, Any]:
    """The result for programs."""
    return {**msgspec.to_builtins(result), "steps": [_step(step) for step in result.steps]}


def _step(step: Step) -> dict[str, Any]:
    return {"seconds": round(step.seconds, 3), **msgspec.to_builtins(step.progress)}


def _emit(value: dict[str, Any]) -> None:
    write(msgspec.json.encode(value).decode() + "\n")
