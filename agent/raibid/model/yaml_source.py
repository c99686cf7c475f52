"""YAML 1.2 text to plain data, with the place of every value.

Owns: everything that can be wrong with the text: size, encoding, syntax, depth and alias bombs, duplicate keys, tags.
Leaves to others: what the data means (`pipeline`), how findings are shown (`findings`).

The data is text, lists and mappings only. Numbers stay as they were written, because no field of a pipeline is a
number: `1.10` is not 1.1, and `on`, `no` and `1e3` are text. Only the event stream of ruamel.yaml is used, so a bomb
is refused before anything of its size is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from raibid.model.findings import Finding, format_path, one_line

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 20
MAX_NODES: Final = 10_000
"""Values after the expansion of aliases; the largest real pipelines have some hundreds."""

PlainData = str | list["PlainData"] | dict[str, "PlainData"]
Path = tuple[str | int, ...]
_TAGS: Final = {ScalarEvent: "str", SequenceStartEvent: "seq", MappingStartEvent: "map"}
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True)
class Position:
    """A place in the file; both count from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True)
class Source:
    """A file as read. Findings do not make the data useless: what could be read is there."""

    data: dict[str, PlainData] | None  #: None: nothing could be read
    findings: tuple[Finding, ...]
    values: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)  #: of entries of mappings


def read(source: bytes, first_key: str = "steps") -> Source:
    """Read a file. Never raises: what is wrong is in the findings. `first_key`: what a file may begin with."""
    composer = _Composer(first_key)
    try:
        root, entries = composer.document(_events(_decoded(source)))
    except _UnreadableError as refused:
        return Source(None, (*composer.findings, refused.finding))
    values: dict[Path, Position] = {(): root.position}
    keys: dict[Path, Position] = {}
    data = {key: _plain(entry, (key,), values, keys) for key, entry in entries.items()}
    return Source(data, composer.findings, values, keys)


class _UnreadableError(Exception):
    """Nothing after this place can be read. Never leaves this module."""

    def __init__(self, rule: str, message: str, suggestion: str = "", at: Position = Position(), path: Path = ()):
        self.finding = _finding(rule, message, suggestion, at, path)


def _finding(rule: str, message: str, suggestion: str, at: Position, path: Path) -> Finding:
    return Finding(
        line=at.line, column=at.column, path=format_path(path), rule=rule, message=message, suggestion=suggestion
    )


@dataclass(frozen=True, kw_only=True)
class _Node:
    """A value. Aliases share their anchor's content, so `size` may be far more than what is held in memory."""

    content: str | tuple[_Node, ...] | dict[str, _Node] | None
    position: Position
    key: Position | None = None  #: where the entry's key stands
    size: int = 1  #: values in it, itself included, aliases expanded
    height: int = 0  #: levels of lists and mappings


def _decoded(source: bytes) -> str:
    if len(source) > MAX_BYTES:
        message = f"the file has {len(source):,} bytes, at most {MAX_BYTES:,} are read"
        raise _UnreadableError("too-large", message, "move long scripts into files of the repository")
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = source[: error.start]
        line_start = before.rfind(b"\n") + 1
        at = Position(before.count(b"\n") + 1, len(before[line_start:].decode("utf-8", "replace")) + 1)
        message = f"byte 0x{source[error.start]:02x} is not UTF-8"
        raise _UnreadableError("invalid-utf8", message, "save the file as UTF-8", at) from None


def _events(text: str) -> Iterator[Any]:
    """The events of the text; ruamel's errors end here."""
    last: Any = None
    try:
        for last in YAML(typ="safe", pure=True).parse(text):
            yield last
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = one_line(str(error.problem or error.context), 200)
        raise _UnreadableError("syntax", message, at=_at(mark) if mark else Position()) from None
    except YAMLError as error:  # the reader's: a character that YAML does not allow, with its offset only
        offset = getattr(error, "position", 0)
        at = Position(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
        raise _UnreadableError("syntax", f"character {text[offset : offset + 1]!r} is not allowed", at=at) from None
    except (ValueError, OverflowError):  # `"\UFFFFFFFF"`: ruamel calls chr() unchecked
        at = _at(last.end_mark) if last else Position()
        raise _UnreadableError("syntax", "an escape is not a Unicode character", at=at) from None


def _at(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)


class _Composer:
    """Events to one tree of nodes. Recursion is bounded by MAX_DEPTH, memory by MAX_NODES."""

    def __init__(self, first_key: str) -> None:
        self._begin = f"begin with `{first_key}:`"
        self._found: dict[Position, Finding] = {}
        self._anchors: dict[str, _Node | None] = {}  # None: still open
        self._nodes = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._found.values())

    def document(self, events: Iterator[Any]) -> tuple[_Node, dict[str, _Node]]:
        self._next = events.__next__
        self._next()  # stream start
        if not isinstance(self._next(), DocumentStartEvent):
            raise _UnreadableError("empty-file", "the file has no content", f"delete it, or {self._begin}")
        root = self._node(self._next(), ())
        if root.content is None:
            raise _UnreadableError("empty-file", "the file has no content", f"delete it, or {self._begin}")
        self._next()  # document end
        after = self._next()
        if isinstance(after, DocumentStartEvent):
            self._report("several-documents", "a second document begins", "remove the `---`", _at(after.start_mark), ())
        if not isinstance(root.content, dict):
            raise _UnreadableError("not-a-mapping", "the root is not a mapping", self._begin, root.position)
        return root, root.content

    def _report(self, rule: str, message: str, suggestion: str, at: Position, path: Path) -> None:
        # The first finding at a place explains the others there.
        self._found.setdefault(at, _finding(rule, message, suggestion, at, path))

    def _node(self, event: Any, path: Path) -> _Node:
        at = _at(event.start_mark)
        if isinstance(event, AliasEvent):
            return self._alias(str(event.anchor), at, path)
        self._count(1, at, path)
        anchor = event.anchor
        if anchor:
            self._anchors[anchor] = None
        tag = _TAGS[type(event)]
        if event.tag not in (None, "!", f"tag:yaml.org,2002:{tag}"):
            shown = one_line(str(event.tag).replace("tag:yaml.org,2002:", "!!"))
            self._report("unknown-tag", f"the tag `{shown}` is not known", "remove it", at, path)
        if tag == "str":
            node = self._scalar(event, at, path)
        else:
            self._check_depth(len(path) + 1, at, path)
            node = self._sequence(at, path) if tag == "seq" else self._mapping(at, path)
        if anchor:
            self._anchors[anchor] = node
        return node

    def _count(self, nodes: int, at: Position, path: Path) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} values, aliases expanded"
            raise _UnreadableError("too-many-nodes", message, "use fewer aliases of aliases", at, path)

    def _check_depth(self, depth: int, at: Position, path: Path) -> None:
        if depth > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels of nesting"
            raise _UnreadableError("too-deep", message, "a pipeline needs five", at, path[:6])

    def _alias(self, anchor: str, at: Position, path: Path) -> _Node:
        if anchor not in self._anchors:
            self._report("unknown-alias", f"no anchor &{one_line(anchor)} stands before this", "", at, path)
            return _Node(content="", position=at)
        node = self._anchors[anchor]
        if node is None:
            message = f"*{one_line(anchor)} stands inside its own anchor"
            raise _UnreadableError("cyclic-alias", message, "write the value out", at, path)
        self._count(node.size, at, path)
        self._check_depth(len(path) + node.height, at, path)
        return replace(node, position=at)

    def _scalar(self, event: Any, at: Position, path: Path) -> _Node:
        text = str(event.value)
        if event.style is None and event.tag is None and text in _NULLS:
            return _Node(content=None, position=at)
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            self._report("bad-character", "the text has a NUL or half of a surrogate pair", "remove it", at, path)
            text = text.replace("\0", "").encode("utf-8", "backslashreplace").decode()
        return _Node(content=text, position=at)

    def _sequence(self, at: Position, path: Path) -> _Node:
        items: list[_Node] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._filled((*path, len(items)), event))
        return _measured(tuple(items), items, at)

    def _mapping(self, at: Position, path: Path) -> _Node:
        entries: dict[str, _Node] = {}
        merged: dict[str, _Node] = {}
        children: list[_Node] = []
        seen: set[str] = set()
        while not isinstance(event := self._next(), MappingEndEvent):
            merge = isinstance(event, ScalarEvent) and event.value == "<<" and event.style is None
            key = self._key(event, path)
            if key is None:
                children.append(self._node(self._next(), (*path, "?")))
                continue
            place = (*path, key)
            value = replace(self._filled(place, self._next(), event), key=_at(event.start_mark))
            children.append(value)
            if key in seen:
                self._report(
                    "duplicate-key", f"`{one_line(key)}` is there twice", "keep one", _at(event.start_mark), place
                )
            elif merge:
                merged = self._merged(value, place)
            else:
                entries[key] = value
            seen.add(key)
        return _measured({**merged, **entries}, children, at)

    def _key(self, event: Any, path: Path) -> str | None:
        node = self._node(event, (*path, "?"))  # a key of keys of keys is as deep as a list of lists of lists
        if isinstance(node.content, str):
            return node.content
        self._report("non-string-key", "a key is not text", "quote it", node.position, path)
        return None

    def _filled(self, path: Path, event: Any, owner: Any = None) -> _Node:
        node = self._node(event, path)
        if node.content is None:
            at = _at((owner or event).start_mark)  # a value that is not there has its place lines below its key
            self._report("empty-value", "there is no value", 'give one, write "", or remove it', at, path)
            return replace(node, content="")
        return node

    def _merged(self, value: _Node, path: Path) -> dict[str, _Node]:
        """The entries of a merge; the first of several mappings wins."""
        merged: dict[str, _Node] = {}
        for source in value.content if isinstance(value.content, tuple) else (value,):
            if isinstance(source.content, dict):
                merged = {**source.content, **merged}
            else:
                self._report("bad-merge", "`<<` merges mappings only", "give it `*anchor`", source.position, path)
        return merged


def _measured(content: tuple[_Node, ...] | dict[str, _Node], children: list[_Node], at: Position) -> _Node:
    size = 1 + sum(child.size for child in children)
    height = 1 + max((child.height for child in children), default=0)
    return _Node(content=content, position=at, size=size, height=height)


def _plain(node: _Node, path: Path, values: dict[Path, Position], keys: dict[Path, Position]) -> PlainData:
    """The node's data; notes the places of everything in it."""
    values[path] = node.position
    if node.key:
        keys[path] = node.key
    match node.content:
        case dict(entries):
            return {key: _plain(entry, (*path, key), values, keys) for key, entry in entries.items()}
        case tuple(items):
            return [_plain(item, (*path, index), values, keys) for index, item in enumerate(items)]
        case text:
            return text or ""
