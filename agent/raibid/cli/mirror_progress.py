"""How far an apply is: a bar on a terminal, lines elsewhere, JSON lines when asked for.

Owns: what is shown of each step and of the end.
Leaves to others: the steps (`raibid.mirror.apply`), interrupts (`mirror.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from raibid.cli.output import Output, duration, line, write
from raibid.mirror.actions import Plan
from raibid.mirror.apply import Step, Summary, Tell
from raibid.mirror.diff import action_data, as_data, lines
from raibid.model.findings import one_line

_KINDS: Final = {
    "owner": "green", "create": "green", "adopt": "cyan", "update": "yellow", "archive": "magenta", "delete": "red",
    "orphan": "dim", "conflict": "bold red",
}  # fmt: skip
_STYLES: Final = {"done": "green", "failed": "red", "skipped": "dim"}


@contextmanager
def shown(output: Output, total: int) -> Iterator[Tell]:
    """Whom each step is told to."""
    if output.json:
        yield _as_json
    elif os.environ.get("NO_COLOR") or not sys.stderr.isatty() or not total:
        yield _as_line
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=total)

            def tell(step: Step) -> None:
                if step.state == "begins":
                    bar.update(task, description=one_line(step.action.target))
                    return
                bar.advance(task)
                bar.console.print(Text(_words(step), style=_STYLES[step.state]), soft_wrap=True)

            yield tell


def begin(output: Output, plan: Plan) -> None:
    """What will be done: the plan, as its own command shows it."""
    if output.json:
        _emit({"state": "plan", **as_data(plan)})
        return
    for one in lines(plan):
        line(one.text, _KINDS.get(str(one.kind), ""))


def end(output: Output, summary: Summary) -> None:
    """The last word."""
    if output.json:
        failed = [{"target": target, "message": message} for target, message in summary.failed]
        _emit({"state": "summary", **msgspec.to_builtins(summary), "failed": failed})
        return
    said = [f"{summary.done} done"]
    said += [f"{len(summary.failed)} failed"] if summary.failed else []
    said += [f"{summary.skipped} not tried: {summary.stopped}"] if summary.skipped else []
    line(", ".join(said))


def _as_json(step: Step) -> None:
    _emit(
        {
            "state": step.state,
            "number": step.number,
            "of": step.of,
            **action_data(step.action),
            **({"message": step.message} if step.message else {}),
            **({"seconds": round(step.seconds, 3)} if step.seconds else {}),
        }
    )


def _as_line(step: Step) -> None:
    if step.state != "begins":
        line(_words(step))


def _words(step: Step) -> str:
    width = len(str(step.of))
    what = f"{step.number:>{width}}/{step.of} {step.state:<7} {step.action.kind} {step.action.target}"
    took = f" ({duration(step.seconds)})" if step.state == "done" else ""
    return f"{what}{took}{f': {one_line(step.message, 400)}' if step.message else ''}"


def _emit(value: dict[str, object]) -> None:
    write(msgspec.json.encode(value).decode() + "\n")
