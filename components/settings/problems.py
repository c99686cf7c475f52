"""What is wrong with a stack's config, said to the person who wrote it.

Owns: one line per mistake (`path: value: rule: suggestion`), the words for what pydantic finds, near misses.
Leaves to others: finding mistakes (`types`, `model`, `rules`), knowing a secret (`secrets`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.settings.model import Model, Settings
from components.settings.secrets import HIDDEN, shown

DERIVED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("agents", "maximum", "maxReplicaCount", "minReplicaCount", "warm"), "agents"),
    **dict.fromkeys(("quotas", "quota", "limits", "limitRange", "requests"), "quotas and limits"),
    **dict.fromkeys(("allocatable", "kubelet", "reservedSystemCPUs"), "the kubelet's reservations"),
    **dict.fromkeys(("cache", "scratch", "pvcSize"), "sizes of volumes"),
    "stack": "the stack's name",
}
"""Keys that people look for and that the program derives → what they stand for."""

_FAMILIES: Final[Mapping[str, str]] = {
    "string": "text",
    "int": "a whole number",
    "bool": "true or false",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
}
"""Start of a pydantic error's type → what belongs there."""


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: where, what was there, which rule it breaks, what to write instead."""

    path: str
    value: str
    rule: str
    suggestion: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value}: {self.rule}: {self.suggestion}"


class SettingsError(Exception):
    """A stack's config cannot be used; the message has a line per mistake, all of them."""

    code = 2

    def __init__(self, source: str, problems: Iterable[Problem], hint: str = "") -> None:
        self.problems = tuple(sorted(set(problems)))
        self.hint = hint or f"correct {source}"
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"{source}: {len(self.problems)} to correct{lines}")


def path_of(location: Sequence[int | str]) -> str:
    """("nodes", 0, "hostKey") → "nodes[0].hostKey"."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def near(word: str, words: Iterable[str]) -> str:
    """ "did you mean X?", else the whole choice."""
    choice = sorted(words)
    close = get_close_matches(word, choice, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"one of {', '.join(choice)}"


def from_pydantic(error: ValidationError) -> list[Problem]:
    """Each of pydantic's findings as a problem; its own text, which quotes values, is not kept."""
    items = error.errors(include_url=False)
    deeper = {item["loc"][:depth] for item in items for depth in range(len(item["loc"]))}
    # A list whose only item is wrong counts as empty too; the item's own finding says it all.
    return [_problem(item) for item in items if not (item["type"] == "too_short" and item["loc"] in deeper)]


def _problem(item: ErrorDetails) -> Problem:
    location = [part for part in item["loc"] if part != "[key]"]
    path, context = path_of(location), item.get("ctx", {})
    value = shown(path, item["input"])
    match item["type"]:
        case "missing":
            return Problem(path, "unset", "is required", f"set {path}")
        case "extra_forbidden":
            return Problem(path, HIDDEN, "unknown key", _near_key(location))
        case "literal_error":
            words = re.findall(r"'([^']*)'", str(context["expected"]))
            return Problem(path, value, "not one of the choices", near(str(item["input"]), words))
        case "value_error":
            rule, _, hint = str(context["error"]).partition("; ")
            return Problem(path, value, rule, hint)
        case "greater_than_equal" | "less_than_equal" as bound:
            side, limit = ("below", context["ge"]) if bound.startswith("greater") else ("above", context["le"])
            return Problem(path, value, f"{side} {limit}", f"write {limit} or {'more' if side == 'below' else 'less'}")
        case "greater_than":
            return Problem(path, value, f"not above {context['gt']}", f"write more than {context['gt']}")
        case "string_too_short":
            return Problem(path, value, "is empty", "write it, or leave the key out")
        case "too_short":
            return Problem(path, value, "is empty", f"list at least {context['min_length']}")
        case kind:
            family = next((words for prefix, words in _FAMILIES.items() if kind.startswith(prefix)), item["msg"])
            return Problem(path, value, "has the wrong type", f"write {family}")


def _near_key(location: Sequence[int | str]) -> str:
    key = str(location[-1])
    if key in DERIVED:
        return f"remove it, {DERIVED[key]} are derived from nodes, profile and reserved"
    return near(key, keys_of(location[:-1]))


def keys_of(location: Sequence[int | str]) -> list[str]:
    """The keys, camelCase, of the object at a location of `Settings`."""
    model: type[Model] = Settings
    for part in location:
        if isinstance(part, str):
            field = next(field for field in model.model_fields.values() if field.alias == part)
            model = _model_in(field.annotation) or model
    return [field.alias or "" for field in model.model_fields.values()]


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
