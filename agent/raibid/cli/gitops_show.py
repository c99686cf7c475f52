"""What a change shows before and after it is made: diff, warnings, the question, where it landed.

Owns: colours of a diff, the question and its answer, the report as JSON.
Leaves to others: the change (`raibid.gitops.change`), what becomes of the commit (`gitops_watch.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

from raibid.cli.errors import CliError
from raibid.cli.output import Output, facts, line, write
from raibid.cli.readable import readable
from raibid.contract import ExitCode

_STYLES: Final = {"+++": "bold", "---": "bold", "+": "green", "-": "red", "@@": "cyan"}
_MOST: Final = 2_000
"""Lines of a diff that are shown; `--json` has all of them."""


@dataclass
class Report:
    """What there is to say about one command; filled as it goes on."""

    about: Sequence[object]
    repository: str = ""
    branch: str = ""
    diff: str = ""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tried: bool = False
    """Whether the API server took it in a dry run."""
    done: dict[str, Any] = field(default_factory=dict)
    """Where it is now: commit, branch, pull request."""

    def as_data(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "about": [str(ref) for ref in self.about],
            "repository": self.repository,
            "branch": self.branch,
            "changed": bool(self.diff),
            "diff": self.diff,
            "notes": self.notes,
            "warnings": self.warnings,
            "tried": self.tried,
            "done": self.done,
        }


def preview(output: Output, report: Report) -> None:
    """The change before it is made."""
    if output.json:
        return
    lines = report.diff.splitlines()
    for text in lines[:_MOST]:
        style = next((style for start, style in _STYLES.items() if text.startswith(start)), "")
        line(text, style)
    if len(lines) > _MOST:
        line(f"… {len(lines) - _MOST} lines more", "dim")
    for note in report.notes:
        output.say(note)
    warn(output, report.warnings)


def warn(output: Output, warnings: Iterable[str]) -> None:
    """What to know before one agrees."""
    if output.json:
        return
    console = Console(stderr=True)
    for warning in warnings:
        console.print(Text(f"warning: {readable(warning)}", style="yellow"), soft_wrap=True)


def must_be_able_to_ask(output: Output, *, yes: bool, dry_run: bool) -> None:
    """Raises CliError: nobody is there to be asked, or would see what is asked about."""
    if not (yes or dry_run) and (output.json or not sys.stdin.isatty()):
        why = "--json shows no diff to agree to" if output.json else "nobody can be asked here"
        raise CliError(why, "--yes does it, --dry-run only shows it", ExitCode.USAGE)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal.

    Raises:
        CliError: the answer is not yes.
    """
    if yes:
        return
    sys.stderr.write(f"{readable(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError("nothing was changed", code=ExitCode.CANCELLED)


def end(output: Output, report: Report) -> None:
    """The last word."""
    if output.json:
        write(msgspec.json.encode({"change": report.as_data()}).decode() + "\n")
        return
    if not report.diff:
        line("no changes")
        return
    facts((name, str(value)) for name, value in report.done.items())
