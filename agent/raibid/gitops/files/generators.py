"""configMapGenerator and secretGenerator: the data they make, and where one value of it comes from.

Owns: literals, files, env files.
Leaves to others: names and hashes (`layers.py`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.fields import Field, shown
from raibid.gitops.files.layers import Generator
from raibid.gitops.files.patches import Place
from raibid.gitops.files.spots import FileSpot, LiteralSpot, Spot

_DATA: Final = 2
"""Steps to a value of a ConfigMap or a Secret."""


@dataclass(frozen=True)
class Generated:
    """What a generator makes."""

    key: str
    """Where its values are: `data`, or `stringData` of a Secret, for they are texts here."""
    spots: Mapping[str, Spot] = field(compare=False)
    behavior: str = "create"

    @property
    def values(self) -> dict[str, Any]:
        """Its values."""
        return {name: spot.old for name, spot in self.spots.items()}


def generated(draft: Draft, generator: Generator) -> Generated:
    """The values of a generator, and where each is written."""
    key = "stringData" if generator.key == "secretGenerator" else "data"
    return Generated(key, dict(_spots(draft, generator)), str(generator.entry.get("behavior") or "create"))


def generator_spot(draft: Draft, generator: Generator, wanted: Field) -> Spot:
    """Where a generator has a value from.

    Raises:
        NotEditableError: it makes no such value.
    """
    where = f"{generator.layer.file} ({generator.key}[{generator.index}])"
    made = generated(draft, generator)
    if len(wanted) != _DATA or wanted[0] != made.key:
        raise NotEditableError(f"{shown(wanted)} of a generated object cannot be set", f"edit {where}")
    key = str(wanted[1])
    steps = (generator.key, generator.index, "literals", len(_texts(generator.entry, "literals")))
    new = LiteralSpot(Place(generator.layer.file), steps, key, "", f"in {where}, which generates it")
    return made.spots.get(key, new)


def decoded(value: Any) -> Any:
    """The text of a Secret's base64 value.

    Raises:
        NotEditableError: it is none.
    """
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotEditableError("a Secret's `data` is base64 of a text", "set it by stringData") from None


def _spots(draft: Draft, generator: Generator) -> Iterator[tuple[str, Spot]]:
    """Every value of a generator, and where it is written."""
    entry, layer = generator.entry, generator.layer
    why = f"in {layer.file} ({generator.key}[{generator.index}]), which generates it"
    for index, literal in enumerate(_texts(entry, "literals")):
        key, _, value = literal.partition("=")
        steps = (generator.key, generator.index, "literals", index)
        unquoted = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
        yield key, LiteralSpot(Place(layer.file), steps, key, unquoted, why)
    for item in _texts(entry, "files"):
        key, equals, path = item.partition("=")
        key, path = (key, path) if equals else (PurePosixPath(item).name, item)
        place = draft.path(layer.directory, path)
        yield key, FileSpot(place, draft.text(place), f"in {place}, which {layer.file} makes it from")
    envs = [*_texts(entry, "envs"), *([entry["env"]] if isinstance(entry.get("env"), str) else [])]
    for path in envs:
        place = draft.path(layer.directory, path)
        for line in draft.text(place).splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.lstrip().startswith("#"):
                yield key.strip(), _EnvSpot(place, key.strip(), value, f"in {place}, which {layer.file} makes it from")


class _EnvSpot:
    """A line of an env file."""

    def __init__(self, file: str, key: str, old: str, why: str) -> None:
        self.file, self.key, self.old, self.why = file, key, old, why

    def write(self, draft: Draft, value: Any) -> None:
        """As Spot says."""
        if not isinstance(value, str) or "\n" in value:
            raise NotEditableError(f"{self.file} has one value per line, and only texts")
        self._lines(draft, f"{self.key}={value}")

    def clear(self, draft: Draft) -> None:
        """As Spot says."""
        self._lines(draft, None)

    def _lines(self, draft: Draft, new: str | None) -> None:
        result = []
        for line in draft.text(self.file).splitlines(keepends=True):
            mine = line.partition("=")[0].strip() == self.key
            end = line[len(line.rstrip("\r\n")) :]
            result += [] if mine and new is None else [f"{new}{end}"] if mine else [line]
        draft.write(self.file, "".join(result))


def _texts(entry: Mapping[str, Any], key: str) -> list[str]:
    found = entry.get(key)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
