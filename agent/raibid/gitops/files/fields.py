"""A field as an operator names it: `spec.template.spec.containers[name=web].image`.

Owns: reading the name, finding it in plain data, the list keys by which Kubernetes tells items apart.
Leaves to others: where the value is written (`patches.py`, `splices.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from raibid.gitops.errors import NotEditableError


@dataclass(frozen=True)
class Match:
    """The item of a list that has this value for this key."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


Step = str | int | Match
Field = tuple[Step, ...]

_STEP: Final = re.compile(
    r"""\.?(?:(?P<key>(?:\\.|[^.\[\]\\"'=])+)          # a key, `\.` for a dot in it
        |\["(?P<quoted>[^"\]]+)"\]|\['(?P<single>[^'\]]+)'\]   # ["a.b/c"]
        |\[(?P<index>\d{1,6})\]                        # a position
        |\[(?P<by>[A-Za-z][\w.-]*)=(?P<value>[^\]]*)\])""",
    re.VERBOSE,
)
_LIST_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "resourceClaims": ("name",),
    "webhooks": ("name",),
}
"""Lists that a strategic merge patch merges, and by which key (`patchMergeKey` of Kubernetes' API types)."""
_EXTENDABLE: Final = frozenset({"env"})
"""Lists that get an item more when somebody sets one that is not there; a container would lack all the rest."""


def read_field(text: str) -> Field:
    r"""The steps of a field's name. Keys with dots: `annotations["a.b/c"]` or `annotations.a\.b/c`.

    Raises:
        NotEditableError: it is none.
    """
    steps: list[Step] = []
    place = 0
    while place < len(text):
        match = _STEP.match(text, place)
        begins_well = place > 0 or text[0] != "."
        if match is None or not begins_well or (place > 0 and text[place] not in ".["):
            raise NotEditableError(
                f"{text} is not a field", "for example spec.template.spec.containers[name=web].image"
            )
        found = match.groupdict()
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["by"] is not None:
            steps.append(Match(found["by"], found["value"]))
        else:
            steps.append(found["quoted"] or found["single"] or re.sub(r"\\(.)", r"\1", found["key"]))
        place = match.end()
    if not steps or text.endswith("."):
        raise NotEditableError(f"{text or 'nothing'} is not a field", "for example spec.replicas")
    return tuple(steps)


def shown(field: Sequence[Step]) -> str:
    """A field's name."""
    parts = [
        f"[{step}]" if not isinstance(step, str) else f'["{step}"]' if "." in step or "/" in step else f".{step}"
        for step in field
    ]
    return "".join(parts).removeprefix(".")


def position(items: list[Any], step: int | Match) -> int | None:
    """Which item a step means."""
    if isinstance(step, int):
        return step if step < len(items) else None
    found = [n for n, item in enumerate(items) if isinstance(item, dict) and str(item.get(step.key)) == step.value]
    return found[0] if found else None


def value_at(value: Any, field: Sequence[Step]) -> tuple[bool, Any]:
    """Whether a field is there, and its value."""
    for step in field:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return False, None
            value = value[step]
        else:
            at = position(value, step) if isinstance(value, list) else None
            if at is None:
                return False, None
            value = value[at]
    return True, value


def steps_in(value: Any, field: Sequence[Step]) -> tuple[tuple[str | int, ...], Any]:
    """Where a field is in a value, by keys and positions; and the beginning of an item that is missing: `{name: X}`.

    Raises:
        NotEditableError: an item that is not there, in a list that is not to be extended; a list where a key is asked.
    """
    steps: list[str | int] = []
    for number, step in enumerate(field):
        if isinstance(step, str):
            if value is not None and not isinstance(value, dict):
                raise NotEditableError(f"{shown(field[:number]) or 'the object'} is no mapping and has no {step}")
            steps.append(step)
            value = (value or {}).get(step)
            continue
        items = value if isinstance(value, list) else []
        at = position(items, step)
        if at is None:
            if number == 0 or field[number - 1] not in _EXTENDABLE or not isinstance(step, Match):
                there = (
                    [str(item.get(step.key)) for item in items if isinstance(item, dict)]
                    if isinstance(step, Match)
                    else []
                )
                raise NotEditableError(
                    f"there is no {shown(field[: number + 1])}", f"there are: {', '.join(there)}" if there else ""
                )
            return (*steps, len(items)), {step.key: step.value}
        steps.append(at)
        value = items[at]
    return tuple(steps), None


def named(value: Any, field: Sequence[Step]) -> Field:
    """The field with names of items instead of positions, where the list's items have such: positions shift."""
    steps: list[Step] = []
    for step in field:
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            steps.append(_name_of(value[step], steps[-1] if steps else "") or step)
        else:
            steps.append(step)
        value = value_at(value, steps[-1:])[1]
    return tuple(steps)


def list_key(items: Sequence[Any], of: Step | None) -> str | None:
    """The key by which a strategic merge tells the items of a list apart; None: such a list is replaced as a whole."""
    for key in _LIST_KEYS.get(of, ()) if isinstance(of, str) else ():
        if items and all(isinstance(item, dict) and isinstance(item.get(key), str | int) for item in items):
            return key
    return None


def _name_of(item: Any, of: Step) -> Match | None:
    key = list_key([item], of)
    return Match(key, str(item[key])) if key is not None else None
