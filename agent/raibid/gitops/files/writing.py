"""New YAML in the manner of the document around it: its indentation, its lists, its line ends, JSON in JSON.

Owns: what a manner is, collections as text, where a value's place begins.
Leaves to others: single values (`scalars.py`), which value goes where (`splices.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as Several
from dataclasses import dataclass
from typing import Any

from raibid.gitops.files.nodes import Alias, Mapping, Node, Scalar, Sequence
from raibid.gitops.files.scalars import block, reads_as_itself, written


@dataclass(frozen=True)
class Manner:
    """How a document is written."""

    newline: str = "\n"
    indent: int = 2
    """Columns that a mapping inside a mapping stands further right."""
    offset: int = 0
    """Columns that a list's dashes stand right of its key."""
    json: bool = False
    blocks: bool = True
    """Whether texts of several lines may be literal blocks: the last of a file has no line end to keep one in."""

    @classmethod
    def of(cls, text: str, root: Node) -> Manner:
        """As the first nested mapping and the first list show it."""
        steps = list(_nested(text, root))
        indents = [width for kind, width in steps if kind is Mapping and width > 0]
        offsets = [width for kind, width in steps if kind is Sequence and width >= 0]
        return cls(
            "\r\n" if "\r\n" in text else "\n",
            indents[0] if indents else 2,
            offsets[0] if offsets else 0,
            text.lstrip("\ufeff \t\r\n").startswith(("{", "[")),
        )

    def lines(self, text: str) -> str:
        """With the document's line ends."""
        return text.replace("\n", self.newline)

    def key(self, name: str, *, flow: bool = False) -> str:
        """A mapping's key."""
        return written(name, '"' if self.json else "", flow=flow)

    def column(self, text: str, parent: Node | None, node: Node) -> int:
        """Where lines of a block value stand: where they stood, else one step right of what holds it."""
        if isinstance(node, Scalar) and node.style in ("|", ">"):
            for line in text[node.start : node.end].splitlines()[1:]:
                if line.strip():
                    return len(line) - len(line.lstrip(" "))
        return self.depth(text, parent) + self.indent

    def depth(self, text: str, parent: Node | None) -> int:
        """The column of a block collection's keys or dashes."""
        return 0 if parent is None else _column(text, parent.start)

    def slot(self, text: str, parent: Node | None, steps: Several[str | int], node: Node) -> int:
        """Where the place of a value begins: right behind its colon or dash."""
        if isinstance(parent, Mapping):
            key = next(key for key, value in parent.items if value is node)
            return text.find(":", key.end) + 1
        if isinstance(parent, Sequence):
            return self.dash(text, parent, int(steps[-1])) + 1
        return node.start

    def dash(self, text: str, parent: Sequence, index: int) -> int:
        """Where the dash of an item of a block list stands."""
        if index == 0:
            return parent.start
        column = _column(text, parent.start)
        match = re.compile(rf"^ {{{column}}}-", re.MULTILINE).search(text, parent.items[index - 1].end)
        return parent.items[index].start if match is None else match.end() - 1


def in_flow(value: Any, manner: Manner) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{manner.key(k, flow=True)}: {in_flow(v, manner)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(in_flow(item, manner) for item in value) + "]"
    return written(value, '"' if manner.json else "", flow=True)


def in_block(value: Any, manner: Manner, column: int, *, item: bool = False) -> str:
    """What stands behind a colon (or, `item`, a dash) at a column, with its blank or line break."""
    if isinstance(value, dict) and value:
        inner = column + (2 if item else manner.indent)
        pairs = [f"{_name(k)}:{in_block(v, manner, inner)}" for k, v in value.items()]
        begin = " " if item else f"\n{' ' * inner}"
        return begin + f"\n{' ' * inner}".join(pairs)
    if isinstance(value, list) and value:
        inner = column + (2 if item else manner.offset)
        dashes = [f"-{in_block(v, manner, inner, item=True)}" for v in value]
        begin = " " if item else f"\n{' ' * inner}"
        return begin + f"\n{' ' * inner}".join(dashes)
    lines = block(value, column + 2) if isinstance(value, str) and manner.blocks else None
    return (
        f" {lines}"
        if lines is not None
        else f" {in_flow(value, manner)}"
        if value in ({}, [])
        else f" {written(value)}"
    )


def _name(key: str) -> str:
    return key if reads_as_itself(key) else written(key, '"')


def _column(text: str, place: int) -> int:
    return place - (text.rfind("\n", 0, place) + 1)


def _nested(text: str, node: Node) -> Iterator[tuple[type, int]]:
    """Block collections below block mappings: their kind, and how far right of the key they stand."""
    if isinstance(node, Scalar | Alias) or node.flow:
        return
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _nested(text, item)
        return
    for key, value in node.items:
        if isinstance(value, Mapping | Sequence) and not value.flow:
            yield type(value), _column(text, value.start) - _column(text, key.start)
        yield from _nested(text, value)
