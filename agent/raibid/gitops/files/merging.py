"""What a patch makes of an object, and whether it sets a field: strategic merge and JSON patch, as kustomize does them.

Owns: both kinds of patches on plain data, pure.
Leaves to others: where patches are written and whom they are for (`patches.py`).

As kyaml/yaml/merge2 does it with `ListPrepend`: items that a patch names come first, in its order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.fields import Field, Match, Step, list_key, named, position, value_at
from raibid.gitops.files.values import changed, removed

_DIRECTIVE: Final = "$patch"
_POSITION: Final = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class Hit:
    """A patch sets a field."""

    steps: tuple[str | int, ...]
    """Where in the patch: of a strategic merge its own keys, of a JSON patch the operation's number, `value`, …"""
    removes: bool = False
    """It takes the field away."""
    rest: Field = ()
    """It puts something there that does not have the field yet: the way on from there."""


def merged(target: Any, patch: Any, of: Step = "", *, keyed: bool = True) -> Any:
    """An object after a strategic merge patch. `keyed`: Kubernetes' own kinds; lists of others are replaced."""
    if isinstance(patch, dict):
        if patch.get(_DIRECTIVE) == "delete":
            return None
        below = {} if patch.get(_DIRECTIVE) == "replace" or not isinstance(target, dict) else target
        result = dict(below)
        for key, value in patch.items():
            if key.startswith("$"):
                continue
            inner = merged(result.get(key), value, key, keyed=keyed)
            if value is None or (inner is None and isinstance(value, dict)):
                result.pop(key, None)
            else:
                result[key] = inner
        return result
    if isinstance(patch, list) and isinstance(target, list):
        key = list_key([*target, *patch], of) if keyed else None
        return patch if key is None else _merged_items(target, patch, key)
    return patch


def merge_hit(patch: Any, field: Field, *, keyed: bool = True) -> Hit | None:
    """Where a strategic merge patch sets a field; the field names items by their keys where it can."""
    steps: list[str | int] = []
    for number, step in enumerate(field):
        if isinstance(patch, dict) and patch.get(_DIRECTIVE) in ("delete", "replace") and number:
            inside, _ = value_at(patch, field[number:])
            if patch[_DIRECTIVE] == "delete" or not inside:
                return Hit((*steps, _DIRECTIVE), removes=True)
        if isinstance(step, str):
            if not isinstance(patch, dict) or step not in patch:
                return None
            steps.append(step)
            patch = patch[step]
        else:
            at = position(patch, step) if isinstance(patch, list) else None
            if at is None:
                # A list without a key is replaced as a whole, and this item is not in the new one.
                replaced = isinstance(patch, list) and (not keyed or list_key(patch, field[number - 1]) is None)
                return Hit(tuple(steps), removes=True) if replaced else None
            steps.append(at)
            patch = patch[at]
        if patch is None:
            return Hit(tuple(steps), removes=True)
    # What sets a part of a mapping only does not set the mapping.
    return None if isinstance(patch, dict) else Hit(tuple(steps))


def merge_item(patch: Any, way: Field) -> Hit | None:
    """Where a strategic merge patch speaks of an item of a list."""
    there, _ = value_at(patch, way)
    return Hit(_concrete(patch, way)) if there else None


def operated(target: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """An object after a JSON patch (RFC 6902).

    Raises:
        NotEditableError: an operation that does not fit the object; kustomize refuses it, too.
    """
    for operation in operations:
        target = _operated(target, operation)
    return target


def operation_hit(target: Any, operations: Sequence[Mapping[str, Any]], field: Field) -> Hit | None:
    """Which operation sets a field last, and where in it."""
    states = [target]
    for operation in operations:
        states.append(_operated(states[-1], operation))
    for number in range(len(operations) - 1, -1, -1):
        operation, before, after = operations[number], states[number], states[number + 1]
        verb = operation.get("op")
        if verb == "test":
            continue
        steps = _pointer(operation.get("path"), before)
        goal = _names(before if verb == "remove" else after, steps)
        if goal == field[: len(goal)] and (verb != "remove" or len(goal) <= len(field)):
            if verb not in ("add", "replace"):
                return Hit((number,), removes=True)
            rest = field[len(goal) :]
            there, _ = value_at(operation.get("value"), rest)
            inner = _concrete(operation.get("value"), rest) if there else ()
            return Hit((number, "value", *inner), rest=() if there else rest)
    return None


def _merged_items(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    old = {item[key]: item for item in target if isinstance(item, dict) and key in item}
    result = []
    for item in patch:
        if not isinstance(item, dict) or item.get(_DIRECTIVE) == "delete":
            continue
        result.append(merged(old.get(item[key]), item))
    mentioned = [item.get(key) for item in patch if isinstance(item, dict)]
    return result + [item for item in target if item.get(key) not in mentioned]


def _operated(target: Any, operation: Mapping[str, Any]) -> Any:
    verb = operation.get("op")
    steps = _pointer(operation.get("path"), target)
    if verb == "remove":
        return removed(target, steps)
    if verb in ("move", "copy"):
        source = _pointer(operation.get("from"), target)
        there, value = value_at(target, source)
        if not there:
            raise NotEditableError(f"a JSON patch takes {operation.get('from')}, which is not there")
        return _put(removed(target, source) if verb == "move" else target, steps, value, insert=True)
    if verb in ("add", "replace"):
        return _put(target, steps, operation.get("value"), insert=verb == "add")
    return target


def _put(target: Any, steps: tuple[str | int, ...], value: Any, *, insert: bool) -> Any:
    last = steps[-1] if steps else ""
    if insert and isinstance(last, int):
        _, items = value_at(target, steps[:-1])
        return changed(target, steps[:-1], [*items[:last], value, *items[last:]])
    return changed(target, steps, value)


def _pointer(path: object, target: Any) -> tuple[str | int, ...]:
    """A JSON pointer (RFC 6901) as keys and positions of an object."""
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise NotEditableError(f"a JSON patch has the path {path!r}")
    steps: list[str | int] = []
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list):
            if key != "-" and not _POSITION.fullmatch(key):
                raise NotEditableError(f"a JSON patch has the path {path}, but {key} is no position")
            at = len(target) if key == "-" else int(key)
            steps.append(at)
            target = target[at] if at < len(target) else None
        else:
            steps.append(key)
            target = target.get(key) if isinstance(target, dict) else None
    return tuple(steps)


def _names(state: Any, steps: tuple[str | int, ...]) -> Field:
    return named(state, steps)


def _concrete(value: Any, field: Field) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    for step in field:
        at = position(value, step) if isinstance(step, int | Match) else step
        steps.append(at if at is not None else 0)
        value = value_at(value, (step,))[1]
    return tuple(steps)
