"""A YAML or JSON document as nodes that know which characters of the file they are.

Owns: the tree with its spans, anchors and aliases; the plain data of a node, as Kubernetes reads it.
Leaves to others: changing characters (`splices.py`), which file (`documents.py`).

Built from ruamel.yaml's events and not from its round-trip objects: those forget the spans, and write a file in
their own way; here a change touches the characters of one value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from raibid.gitops.files.scalars import plain_value

_PROPERTIES: Final = re.compile(r"(?:[&!][^\s,\[\]{}]*\s+)*")
_DEPTH: Final = 200
"""Deeper documents are refused: reading is recursive, and no manifest has a tenth of it."""
_BORROWED: Final = 100_000
"""Values that aliases stand for, all in all: 300 characters of aliases of aliases stand for millions."""


class SyntaxFault(ValueError):  # noqa: N818 - a finding about a text; callers raise NoFileError with the file's name
    """The text is no YAML; with its line."""


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """One value."""

    start: int
    end: int
    text: str
    style: str
    """Empty for a plain one, else the character that begins it: ' " | >"""
    tag: str = ""
    anchor: str = ""
    gap: bool = False
    """Nothing is written: `key:`; a value goes right there, after a blank."""


@dataclass(frozen=True, kw_only=True)
class Alias:
    """`*name`; what it stands for is in the same document."""

    start: int
    end: int
    name: str
    target: Node


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """Keys with values, in the order written; a key may be written twice, which `pick` refuses."""

    start: int
    end: int
    items: tuple[tuple[Node, Node], ...]
    flow: bool
    anchor: str = ""

    def own(self, key: str) -> Node | None:
        """The value that stands here for a key, not one merged in by `<<`."""
        found = [value for name, value in self.items if isinstance(name, Scalar) and name.text == key]
        return found[-1] if found else None


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Values in order."""

    start: int
    end: int
    items: tuple[Node, ...]
    flow: bool
    anchor: str = ""


Node = Scalar | Alias | Mapping | Sequence


def parse(text: str) -> list[Node]:
    """The documents of a text, empty ones left out.

    Raises:
        SyntaxFault: it is no YAML, or nested beyond reason.
    """
    # In JSON a tab is a blank; ruamel takes it for YAML's forbidden indentation. One character for one: spans hold.
    events = YAML(typ="safe", pure=True).parse(text.replace("\t", " ") if text.lstrip()[:1] in ("{", "[") else text)
    try:
        return list(_Reading(text, iter(events)).documents())
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise SyntaxFault(f"{where}{getattr(error, 'problem', None) or str(error).splitlines()[0]}") from None
    except (ValueError, OverflowError, RecursionError) as error:  # OverflowError: an escape beyond all characters
        raise SyntaxFault(str(error).splitlines()[0]) from None


def followed(node: Node | None) -> Node | None:
    """The node itself, or what an alias stands for."""
    while isinstance(node, Alias):
        node = node.target
    return node


def data(node: Node | None) -> Any:
    """A node as plain data: merged keys in it, aliases replaced."""
    if isinstance(node, Alias):
        return data(node.target)
    if isinstance(node, Mapping):
        merged: dict[str, Any] = {}
        for key, value in node.items:
            if isinstance(key, Scalar) and key.text == "<<" and not key.style:
                several = value.items if isinstance(value, Sequence) else (value,)
                for item in reversed(several):
                    found = data(item)
                    merged |= found if isinstance(found, dict) else {}
        own = {key.text: data(value) for key, value in node.items if isinstance(key, Scalar)}
        if any(isinstance(key, Scalar) and key.text == "<<" and not key.style for key, _ in node.items):
            own.pop("<<", None)
        return merged | own
    if isinstance(node, Sequence):
        return [data(item) for item in node.items]
    return None if node is None else plain_value(node.text, node.style, node.tag)


class _Reading:
    """Events → nodes."""

    def __init__(self, text: str, events: Iterator[Event]) -> None:
        self.text = text
        self.events = events
        self.anchors: dict[str, Node] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        """What an anchor's alias stands for: how many values, and how deep."""
        self.count = self.borrowed = self.deepest = 0

    def documents(self) -> Iterator[Node]:
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                self.anchors = {}
                node = self._node(next(self.events), 0, after=None)
                if not (isinstance(node, Scalar) and node.gap):
                    yield node

    def _node(self, event: Event, depth: int, *, after: int | None) -> Node:
        self._reached(depth)
        begin = event.start_mark.index
        if isinstance(event, AliasEvent):
            if event.anchor not in self.anchors:
                raise ValueError(f"*{event.anchor} stands for nothing")
            self._borrow(event.anchor, depth)
            return Alias(start=begin, end=event.end_mark.index, name=event.anchor, target=self.anchors[event.anchor])
        anchor = str(getattr(event, "anchor", None) or "")
        count, deepest = self.count, self.deepest
        self.count, self.deepest = count + 1, depth
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event, anchor, after)
        elif isinstance(event, MappingStartEvent):
            node = self._mapping(event, anchor, depth)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event, anchor, depth)
        else:
            raise ValueError("a value is missing")  # noqa: TRY004 - the text's fault, not a caller's
        if anchor:
            self.anchors[anchor], self.sizes[anchor] = node, (self.count - count, self.deepest - depth)
        self.deepest = max(self.deepest, deepest)
        return node

    def _reached(self, depth: int) -> None:
        if depth > _DEPTH:
            raise ValueError("nested too deeply")
        self.deepest = max(self.deepest, depth)

    def _borrow(self, anchor: str, depth: int) -> None:
        """Take an alias for what it stands for: whoever reads it afterwards meets all of that."""
        count, height = self.sizes[anchor]
        self.count, self.borrowed = self.count + count, self.borrowed + count
        if self.borrowed > _BORROWED:
            raise ValueError("aliases stand for too many values")
        self._reached(depth + height)

    def _scalar(self, event: ScalarEvent, anchor: str, after: int | None) -> Scalar:
        begin, end, style = event.start_mark.index, event.end_mark.index, str(event.style or "")
        if begin == end:
            place = begin if after is None else after
            return Scalar(start=place, end=place, text="", style="", anchor=anchor, gap=True)
        match = _PROPERTIES.match(self.text, begin, end)
        begin = match.end() if match is not None and (anchor or event.tag) else begin
        if style in ("|", ">"):
            # Blank lines after a block belong to it only if it keeps them.
            header = self.text[begin : self.text.find("\n", begin)]
            body = self.text[begin:end]
            body = body.removesuffix("\n").removesuffix("\r") if "+" in header else body.rstrip()
            end = begin + len(body)
        return Scalar(start=begin, end=end, text=event.value, style=style, tag=str(event.tag or ""), anchor=anchor)

    def _mapping(self, event: MappingStartEvent, anchor: str, depth: int) -> Mapping:
        items: list[tuple[Node, Node]] = []
        while True:
            following = next(self.events)
            if isinstance(following, MappingEndEvent):
                break
            key = self._node(following, depth + 1, after=None)
            value = self._node(next(self.events), depth + 1, after=self.text.find(":", key.end) + 1)
            items.append((key, value))
        flow = bool(event.flow_style)
        begin = self._begin(event, items[0][0].start if items and not flow else None)
        end = following.end_mark.index if flow or not items else items[-1][1].end
        return Mapping(start=begin, end=end, items=tuple(items), flow=flow, anchor=anchor)

    def _sequence(self, event: SequenceStartEvent, anchor: str, depth: int) -> Sequence:
        items: list[Node] = []
        while True:
            following = next(self.events)
            if isinstance(following, SequenceEndEvent):
                break
            items.append(self._node(following, depth + 1, after=None))
        flow = bool(event.flow_style)
        end = following.end_mark.index if flow or not items else items[-1].end
        return Sequence(start=self._begin(event, None), end=end, items=tuple(items), flow=flow, anchor=anchor)

    def _begin(self, event: MappingStartEvent | SequenceStartEvent, first: int | None) -> int:
        """Where a collection begins behind its anchor and tag."""
        begin: int = event.start_mark.index
        if first is not None:
            return first
        match = _PROPERTIES.match(self.text, begin)
        return match.end() if match is not None and (event.anchor or event.tag) else begin
