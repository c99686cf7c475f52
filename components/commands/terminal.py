"""The one way to the terminal: data on stdout, words about progress on stderr, JSON when asked for.

Owns: colours (off with NO_COLOR or when stdout is no terminal), tables, the error that says what to do next.
Leaves to others: what is said.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

USAGE: Final = 2

Flag = Parameter(negative=(), show_default=False)
"""Of an option that is there or not: no `--no-…` beside it."""


class CommandError(Exception):
    """A command cannot do what was asked. `hint` says what to do next, `code` is the exit code."""

    def __init__(self, message: str, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How to answer; an option of every command whose answer is data."""

    json: Annotated[bool, Flag] = False
    """Print the answer as JSON, and nothing else, on stdout."""

    def emit(self, value: Any) -> None:
        """Print a value as one JSON document."""
        write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def say(self, message: str) -> None:
        """A line about progress on stderr; not with --json."""
        if not self.json:
            Console(stderr=True).print(Text(message, style="dim"), soft_wrap=True)


PLAIN: Final = Output()


def write(text: str) -> None:
    """Text on stdout as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def line(text: str, style: str = "") -> None:
    """One line on stdout."""
    Console(soft_wrap=True).print(Text(text, style=style))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without lines."""
    view = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        view.add_column(heading, overflow="fold")
    for row in rows:
        view.add_row(*(Text(cell) for cell in row))
    Console(soft_wrap=not sys.stdout.isatty()).print(view)


def show(view: RenderableType) -> None:
    """A drawing of rich. A pipe has no width: rich would assume 80 columns and fold what belongs on one line."""
    Console(width=None if sys.stdout.isatty() else 120).print(view)
