"""Plain data, as YAML and JSON give it: what is at a place, and the same data with another value there.

Owns: reading and changing by keys and positions; nothing is changed in place.
Leaves to others: the characters of a file (`splices.py`), fields as people name them (`fields.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from raibid.gitops.errors import NotEditableError

Steps = Sequence[str | int]
"""The way to a value: keys of mappings, positions in lists."""


def at(value: Any, steps: Steps) -> Any:
    """What is at a place of plain data; None if nothing is."""
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def changed(value: Any, steps: Steps, new: Any) -> Any:
    """Plain data with another value at a place.

    Raises:
        NotEditableError: there is no such place.
    """
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        value = [] if value is None else value
        if not isinstance(value, list) or step > len(value):
            raise NotEditableError(f"there is no list with an item {step}")
        inner = changed(value[step] if step < len(value) else None, rest, new)
        return [*value[:step], inner, *value[step + 1 :]]
    if value is not None and not isinstance(value, dict):
        raise NotEditableError(f"{step} cannot be set inside of a value that is no mapping")
    return {**(value or {}), step: changed((value or {}).get(step), rest, new)}


def removed(value: Any, steps: Steps) -> Any:
    """Plain data without what is at a place."""
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict) and step in value:
        if rest:
            return {**value, step: removed(value[step], rest)}
        return {key: item for key, item in value.items() if key != step}
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [*value[:step], *([removed(value[step], rest)] if rest else []), *value[step + 1 :]]
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same; 1, 1.0 and true are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
