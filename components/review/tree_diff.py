"""Two renderings of one stack, compared: files of the Flux repository and figures of the budget.

Owns: which files come, change and go, their unified diffs, which figures of the budget move.
Leaves to others: rendering a revision (`review.revision`), showing (`commands.diff`, `review.summary`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from components.units import cores_text, size_text

Kind = Literal["added", "changed", "removed"]
SIGNS: Final[Mapping[Kind, str]] = {"added": "+", "changed": "~", "removed": "-"}
_CORES: Final = re.compile(r"cpu", re.IGNORECASE)
_BYTES: Final = re.compile(r"memory|storage|disk|scratch|cache", re.IGNORECASE)
_NOT_FIGURES: Final = frozenset({"version", "stack"})


@dataclass(frozen=True)
class Rendering:
    """One revision of a stack."""

    files: Mapping[str, str]
    """Path → text."""
    budget: Mapping[str, Any]
    """What `budget --json` says; empty when the revision has no such stack."""


@dataclass(frozen=True)
class FileChange:
    """One file that is not the same in both."""

    path: str
    kind: Kind
    diff: str
    """Unified, without the two header lines."""

    @property
    def added(self) -> int:
        """Lines that came."""
        return sum(line.startswith("+") for line in self.diff.splitlines())

    @property
    def removed(self) -> int:
        """Lines that went."""
        return sum(line.startswith("-") for line in self.diff.splitlines())


@dataclass(frozen=True)
class Figure:
    """One figure of the budget, before and after, as text; empty: not there."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class TreeDiff:
    """What a change does to a stack."""

    stack: str
    base: str
    changes: tuple[FileChange, ...] = ()
    figures: tuple[Figure, ...] = ()
    """Those that moved, and always how many agents there are."""
    notes: tuple[str, ...] = field(default=())
    compared: bool = True
    """False: one of the two cannot be rendered, so that no change is said here and none is ruled out."""


def compare(stack: str, base: str, old: Rendering, new: Rendering, notes: tuple[str, ...] = ()) -> TreeDiff:
    """Base against head."""
    return TreeDiff(stack, base, tuple(_changes(old.files, new.files)), tuple(_figures(old.budget, new.budget)), notes)


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[FileChange]:
    for path in sorted({*old, *new}):
        if old.get(path) == new.get(path):
            continue
        kind: Kind = "added" if path not in old else "removed" if path not in new else "changed"
        lines = difflib.unified_diff(old.get(path, "").splitlines(), new.get(path, "").splitlines(), lineterm="", n=3)
        yield FileChange(path, kind, "\n".join(list(lines)[2:]))


def _figures(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Figure]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for name in [*after, *(name for name in before if name not in after)]:
        figure = Figure(name, before.get(name, ""), after.get(name, ""))
        if figure.before != figure.after or name == "agents.maximum":
            yield figure


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """`{"agents": {"cpu": 2000}}` → ("agents.cpu", "2"); a list's items go by their name."""
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{name}.")
        elif isinstance(item, list):
            yield from _leaves(
                {part["name"]: {k: v for k, v in part.items() if k != "name"} for part in item}, f"{name}."
            )
        elif name not in _NOT_FIGURES:
            yield name, _text(key, item)


def _text(key: str, value: object) -> str:
    if not isinstance(value, int):
        return str(value)
    return cores_text(value) if _CORES.search(key) else size_text(value) if _BYTES.search(key) else str(value)
