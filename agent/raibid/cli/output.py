"""The one way to the terminal: data on stdout, words about progress on stderr, JSON when asked for.

Owns: colours (off with NO_COLOR or when stdout is no terminal), tables, times and durations for people.
Leaves to others: what is said, what of it a terminal may show (`readable.py`).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raibid.cli.readable import readable

_ESCAPE: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CUT_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*)?\Z")  # a chunk of a log may end anywhere

STATUS_STYLES: Final = {
    "held": "magenta",
    "waiting": "yellow",
    "queued": "yellow",
    "running": "cyan",
    "success": "green",
    "failed": "red",
    "cancelled": "dim",
    "dead": "bold red",
    "timeout": "red",
    "skipped": "dim",
    "error": "red",
    "warning": "yellow",
}


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How to answer; an option of every command."""

    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Print the answer as JSON, and nothing else, on stdout."""

    def emit(self, value: Any) -> None:
        """Print a value as one JSON document (msgspec and plain types)."""
        write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")

    def say(self, message: str) -> None:
        """A line about progress on stderr; not with --json."""
        if not self.json:
            _stderr().print(Text(readable(message), style="dim"), soft_wrap=True)


PLAIN: Final = Output()


def write(text: str) -> None:
    """Text on stdout as it is, at once: a log may come slowly."""
    sys.stdout.write(text)
    sys.stdout.flush()


def log_writer() -> Callable[[str], None]:
    """Where a job's log goes: to stdout as it comes, without its colours when NO_COLOR is set."""
    if not os.environ.get("NO_COLOR"):
        return write
    held = ""

    def plain(text: str) -> None:
        nonlocal held
        text = held + text
        cut = _CUT_ESCAPE.search(text)
        held = cut.group() if cut else ""
        write(_ESCAPE.sub("", text.removesuffix(held)))

    return plain


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, status_column: int | None = None) -> None:
    """A table without lines; the status, if there is one, in its colour."""
    view = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        view.add_column(heading, no_wrap=heading in ("id", "status"), overflow="ellipsis")
    for row in rows:
        cells = [Text(readable(cell, below="").replace("\n", " ")) for cell in row]
        if status_column is not None:
            cells[status_column].stylize(STATUS_STYLES.get(row[status_column], ""))
        view.add_row(*cells)
    Console(soft_wrap=not sys.stdout.isatty()).print(view)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair per line; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    console = Console(soft_wrap=True)
    for name, value in shown:
        style = STATUS_STYLES.get(value, "") if name == "status" else ""
        told = readable(value, below=" " * (width + 2))
        console.print(Text(f"{name:<{width}}  ", style="bold"), Text(told, style=style), sep="")


def line(text: str, style: str = "") -> None:
    """One line on stdout; if a stranger's text has several, the others are indented."""
    Console(soft_wrap=True).print(Text(readable(text), style=style))


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`; empty for nothing."""
    if seconds <= 0:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def ago(moment: float) -> str:
    """`12 s ago`; empty for never."""
    return f"{duration(max(0.1, time.time() - moment))} ago" if moment else ""


def _stderr() -> Console:
    return Console(stderr=True)
