"""One value of a document set, added or taken out; every other character of the file stays.

Owns: spans to replace, the writing of new lines in the manner of the file around them, the proof that nothing else
changed.
Leaves to others: which value (`edit.py`), what is refused by rule (`emitted.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.nodes import Alias, Mapping, Node, Scalar, data, followed, parse
from raibid.gitops.files.nodes import Sequence as Items
from raibid.gitops.files.scalars import block, double_quoted, written
from raibid.gitops.files.values import Steps, at, changed, removed, same
from raibid.gitops.files.writing import Manner, in_block, in_flow

_BLANK_LINE: Final = re.compile(r"\r?\n[ \t]*(?:\r?\n|\Z)")


def with_value(text: str, steps: Steps, value: Any) -> str:
    """The text of one document with another value at a place; keys that are missing on the way are added.

    Raises:
        NotEditableError: the place is shared by an anchor, is inside something that is no mapping, or cannot be
            written without changing another value.
    """
    root = _only(text)
    old = data(root)
    wanted = changed(old, steps, value)
    if same(wanted, old):
        return text
    for candidate in _candidates(text, root, steps, value):
        if _reads(candidate, wanted):
            return candidate
    raise NotEditableError(f"{_shown(steps)} cannot be written there without changing something else")


def without_value(text: str, steps: Steps) -> str:
    """The text of one document without a key or an item.

    Raises:
        NotEditableError: as `with_value`.
    """
    root = _only(text)
    wanted = removed(data(root), steps)
    if same(wanted, data(root)):
        return text
    parent = _own(root, steps[:-1], steps)
    result = _taken_out(text, root, parent, steps)
    if not _reads(result, wanted):
        raise NotEditableError(f"{_shown(steps)} cannot be taken out without changing something else")
    return result


def with_item(text: str, steps: Steps, value: Any) -> str:
    """The text of one document with a value more at the end of a list; the list is made if there is none."""
    root = _only(text)
    found = at(data(root), steps)
    if not isinstance(found, list) or not found:
        return with_value(text, steps, [value])
    return with_value(text, [*steps, len(found)], value)


def with_document(text: str, steps: Steps, old: Any, new: Any) -> str:
    """The text with all that differs between two values at a place, smallest changes first."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [key for key in old if key not in new]:
            text = without_value(text, [*steps, key])
        for key, value in new.items():
            text = with_document(text, [*steps, key], old.get(key, _Nothing), value)
        return text
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            text = with_document(text, [*steps, index], before, after)
        return text
    return text if old is not _Nothing and same(old, new) else with_value(text, steps, new)


class _Nothing:
    """No value, not even null."""


def _only(text: str) -> Node:
    found = parse(text)
    if len(found) != 1:
        raise NotEditableError(f"{len(found)} documents where one is expected")
    return found[0]


def _reads(text: str, wanted: Any) -> bool:
    try:
        found = parse(text)
    except ValueError:
        return False
    return len(found) == 1 and same(data(found[0]), wanted)


def _candidates(text: str, root: Node, steps: Steps, value: Any) -> Iterator[str]:
    """Ways to write it, the most like what is there first."""
    manner = Manner.of(text, root)
    known = 0
    node: Node = root
    while known < len(steps) and (following := _child(node, steps[known])) is not None:
        node = _step(node, following, steps)
        known += 1
    if known < len(steps):
        missing = value
        for step in reversed(steps[known + 1 :]):
            missing = {step: missing} if isinstance(step, str) else [missing]
        if isinstance(node, Mapping | Items) and node.items:
            yield _added(text, node, steps[known], missing, manner)
            yield _added(text, node, steps[known], missing, replace(manner, blocks=False))
            return
        # Nothing, `{}` or `[]`: what is added takes its place.
        value = {steps[known]: missing} if isinstance(steps[known], str) else [missing]
        steps = steps[:known]
    _refuse_shared(root, node, steps)
    yield from _replaced(text, root, node, steps, value, manner)
    yield from _replaced(text, root, node, steps, value, replace(manner, blocks=False))


def _child(node: Node, step: str | int) -> Node | None:
    node = followed(node) or node
    if isinstance(node, Mapping) and isinstance(step, str):
        return node.own(step)
    if isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def _step(node: Node, child: Node, steps: Steps) -> Node:
    if isinstance(node, Alias):
        raise NotEditableError(
            f"{_shown(steps)} is inside of *{node.name}, which other places use as well",
            "write the values out where the alias stands, or change the anchor",
        )
    return child


def _refuse_shared(root: Node, node: Node, steps: Steps) -> None:
    """A value with an anchor is the value of other places, too."""
    anchors = {item.anchor for item in _all(node) if not isinstance(item, Alias) and item.anchor}
    used = {item.name for item in _all(root) if isinstance(item, Alias)} & anchors
    if used:
        raise NotEditableError(
            f"{_shown(steps)} has the anchor &{min(used)}, and other places take their value from it",
            "write the values out where the aliases stand",
        )


def _all(node: Node) -> Iterator[Node]:
    """A node and all below it; what an alias stands for is not below it."""
    yield node
    for item in node.items if isinstance(node, Mapping | Items) else ():
        for inner in item if isinstance(item, tuple) else (item,):
            yield from _all(inner)


def _replaced(text: str, root: Node, node: Node, steps: Steps, value: Any, manner: Manner) -> Iterator[str]:
    parent = _own(root, steps[:-1], steps) if steps else None
    flow = parent is not None and isinstance(parent, Mapping | Items) and parent.flow
    scalar = not isinstance(value, dict | list) or not value

    def spliced(new: str) -> str:
        gap = " " if isinstance(node, Scalar) and node.gap else ""
        return text[: node.start] + gap + new + text[node.end :]

    if scalar and isinstance(node, Scalar | Alias):
        style = node.style if isinstance(node, Scalar) else ""
        if isinstance(value, str) and not flow and (style in ("|", ">") or "\n" in value):
            indent = manner.column(text, parent, node)
            lines = block(value, indent)
            keeps = _BLANK_LINE.match(text, node.end) is not None
            if lines is not None and not (lines.startswith("|+") and keeps):
                yield spliced(manner.lines(lines))
        quotes = style if style in ("'", '"') else '"' if manner.json else ""
        yield spliced(written(value, quotes, flow=flow))
        yield spliced(double_quoted(value) if isinstance(value, str) else written(value))
    elif scalar or flow:
        start = node.start if flow else manner.slot(text, parent, steps, node)
        pad = "" if flow or start == node.start else " "
        yield text[:start] + pad + in_flow(value, manner) + text[node.end :]
    else:
        start = manner.slot(text, parent, steps, node)
        yield text[:start] + manner.lines(in_block(value, manner, manner.depth(text, parent))) + text[node.end :]
    if not isinstance(node, Scalar | Alias) or not scalar:
        yield spliced(in_flow(value, manner))


def _added(text: str, parent: Mapping | Items, step: str | int, value: Any, manner: Manner) -> str:
    """A key or an item more, behind the last."""
    if parent.flow:
        first, last = parent.items[0], parent.items[-1]
        before = first[0].start if isinstance(first, tuple) else first.start
        after = last[1].end if isinstance(last, tuple) else last.end
        lead = text[parent.start + 1 : before]
        lead = lead if lead and not lead.strip() else " "
        key = f"{manner.key(step, flow=True)}: " if isinstance(step, str) else ""
        return f"{text[:after]},{lead}{key}{in_flow(value, manner)}{text[after:]}"
    end = text.find("\n", parent.end)
    end = len(text) if end < 0 else end
    end -= text[:end].endswith("\r")
    column = parent.start - (text.rfind("\n", 0, parent.start) + 1)
    if isinstance(step, str):
        lines = f"{' ' * column}{manner.key(step)}:{in_block(value, manner, column)}"
    else:
        lines = f"{' ' * column}-{in_block(value, manner, column, item=True)}"
    return text[:end] + manner.newline + manner.lines(lines) + text[end:]


def _own(root: Node, steps: Steps, whole: Steps) -> Node:
    """The node at a place, without going through an alias."""
    node = root
    for step in steps:
        child = _child(node, step)
        if child is None:
            raise NotEditableError(f"{_shown(whole)} is merged in from elsewhere in the document")
        node = _step(node, child, whole)
    if isinstance(node, Alias):
        _step(node, node, whole)
    return node


def _taken_out(text: str, root: Node, parent: Node, steps: Steps) -> str:
    manner = Manner.of(text, root)
    assert isinstance(parent, Mapping | Items)  # noqa: S101 - `removed` found it there
    spans = [
        (item[0].start, item[1].end) if isinstance(item, tuple) else (item.start, item.end) for item in parent.items
    ]
    keys = [item[0].text if isinstance(item, tuple) and isinstance(item[0], Scalar) else None for item in parent.items]
    which = steps[-1]
    index = keys.index(which) if isinstance(which, str) and which in keys else which
    if not isinstance(index, int):
        raise NotEditableError(f"{_shown(steps)} is merged in from elsewhere in the document")
    _refuse_shared(root, parent.items[index][1] if isinstance(parent, Mapping) else parent.items[index], steps)
    if len(spans) == 1:
        if not parent.flow and len(steps) > 1:
            above = _own(root, steps[:-2], steps)
            start = manner.slot(text, above, steps[:-1], parent)
            return text[:start] + (" {}" if isinstance(parent, Mapping) else " []") + text[parent.end :]
        return text[: parent.start] + ("{}" if isinstance(parent, Mapping) else "[]") + text[parent.end :]
    if parent.flow:
        start, end = (spans[0][0], spans[1][0]) if index == 0 else (spans[index - 1][1], spans[index][1])
        return text[:start] + text[end:]
    if index == 0:
        # The first one may stand behind a dash: the second one moves up there.
        first = parent.start
        second = spans[1][0] if isinstance(parent, Mapping) else manner.dash(text, parent, 1)
        return text[:first] + text[second:]
    start = spans[index][0] if isinstance(parent, Mapping) else manner.dash(text, parent, index)
    start = text.rfind("\n", 0, start)
    end = text.find("\n", spans[index][1])
    start -= text[:start].endswith("\r")
    end = len(text) if end < 0 else end - text[:end].endswith("\r")
    return text[:start] + text[end:]


def _shown(steps: Steps) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".") or "the document"
