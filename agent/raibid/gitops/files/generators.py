"""configMapGenerator and secretGenerator: the data they make, and where one value of it comes from.

Owns: literals, files, env files.
Leaves to others: names and hashes (`layers.py`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.fields import Field, shown
from raibid.gitops.files.layers import Generator, Origin
from raibid.gitops.files.patches import Place
from raibid.gitops.files.spots import FileSpot, LiteralSpot, Spot


def generated(draft: Draft, origin: Origin) -> dict[str, Any]:
    """The object that a generator makes, for reading; a Secret's values are given as `stringData`."""
    spots = dict(_spots(draft, origin))
    key = "stringData" if origin.kind == "Secret" else "data"
    return {**origin.manifest, key: {name: spot.old for name, spot in spots.items()}}


def generator_spot(draft: Draft, origin: Origin, wanted: Field) -> Spot:
    """Where a generator has a value from.

    Raises:
        NotEditableError: it makes no such value.
    """
    generator = origin.source
    assert isinstance(generator, Generator)  # noqa: S101 - the caller looked
    where = f"{generator.layer.file} ({generator.key}[{generator.index}])"
    if len(wanted) != 2 or wanted[0] not in ("data", "stringData"):
        raise NotEditableError(f"{shown(wanted)} of a generated object cannot be set", f"edit {where}")
    spots = dict(_spots(draft, origin))
    key = str(wanted[1])
    if key in spots:
        return spots[key]
    steps = (generator.key, generator.index, "literals")
    count = len(_texts(_entry(generator), "literals"))
    return LiteralSpot(Place(generator.layer.file), (*steps, count), key, "", f"in {where}, which generates it")


def decoded(value: Any) -> Any:
    """The text of a Secret's base64 value.

    Raises:
        NotEditableError: it is none.
    """
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotEditableError("a Secret's `data` is base64 of a text", "set it by stringData") from None


def _spots(draft: Draft, origin: Origin) -> Iterator[tuple[str, Spot]]:
    """Every value of a generator, and where it is written."""
    generator = origin.source
    assert isinstance(generator, Generator)  # noqa: S101 - the caller looked
    entry, layer = _entry(generator), generator.layer
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


def _entry(generator: Generator) -> Mapping[str, Any]:
    return generator.layer.mappings(generator.key)[generator.index]


def _texts(entry: Mapping[str, Any], key: str) -> list[str]:
    found = entry.get(key)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
