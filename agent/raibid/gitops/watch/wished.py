"""What fields of a live object shall be once a commit is applied: its last stage.

Owns: comparing a value that somebody asked for with the one that the API server has; who has set another one.
Leaves to others: when that is asked, and who is asked to apply once more (`walk.py`).

The API server may write a value in another way than it was sent: quantities (`1000m` is `1`), `stringData`, defaults
inside of a mapping. Such a value is the same one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from raibid.gitops.files.fields import Field, read_field, value_at
from raibid.gitops.objects import Manifest, Ref, mappings, metadata_of, text
from raibid.gitops.watch.drift import paths

_QUANTITY: Final = re.compile(r"([+-]?\d{1,30}(?:\.\d{1,30})?)(?:e([+-]?\d{1,2})|([numkKMGTPE]i?|))")
_POWERS: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITIES: Final = frozenset({"requests", "limits", "capacity", "hard", "sizeLimit", "overhead"})
_SHOWN: Final = 60


@dataclass(frozen=True, eq=False)
class Wished:
    """Fields of one object, and their values; None: the field shall not be there."""

    ref: Ref
    values: Mapping[str, object]
    discreet: bool = False
    """They come from a Secret, and are not told: as those of a Secret itself."""

    def wrong(self, manifest: Manifest | None) -> str:
        """What is not as it was wished; empty: nothing. Values of a Secret are not told."""
        if manifest is None:
            return f"{self.ref} does not exist"
        found = (self._wrong(manifest, name, wanted) for name, wanted in self.values.items())
        return "; ".join(filter(None, found))

    def _wrong(self, manifest: Manifest, name: str, wanted: object) -> str:
        live = _live(manifest, read_field(name))
        if same_value(wanted, live, quantity=bool(_QUANTITIES & {*read_field(name)})):
            return ""
        secret = self.discreet or self.ref.kind == "Secret"
        said = "not what was asked for" if secret else f"{_short(live)}, not {_short(wanted)}"
        managers = ", ".join(_managers(manifest, name))
        return f"{name} is {said}" + (f" (set by {managers})" if managers else "")


def same_value(wanted: object, live: object, *, quantity: bool = False) -> bool:
    """Whether the API server has what was asked for; it may have added to a mapping."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            same_value(value, live.get(key), quantity=quantity or key in _QUANTITIES) for key, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str | bytes):
        return (
            isinstance(live, Sequence)
            and not isinstance(live, str)
            and len(wanted) == len(live)
            and all(same_value(*pair, quantity=quantity) for pair in zip(wanted, live, strict=True))
        )
    if quantity and None not in (number := (_number(wanted), _number(live))):
        return number[0] == number[1]
    return wanted == live and isinstance(wanted, bool) is isinstance(live, bool)


def _live(manifest: Manifest, field: Field) -> object:
    if manifest.get("kind") != "Secret" or field[0] != "stringData" or len(field) < 2:
        return value_at(manifest, field)[1]
    value = value_at(manifest, ("data", *field[1:]))[1]
    try:
        return base64.b64decode(text(value), validate=True).decode()
    except ValueError:
        return None


def _number(value: object) -> Decimal | None:
    match = _QUANTITY.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if match is None:
        return None
    digits, exponent, suffix = match.groups()
    if suffix in _BINARY:
        return Decimal(digits) * Decimal(1024) ** _BINARY[suffix]
    power = int(exponent) if exponent else _POWERS.get(suffix or "")
    return None if power is None else Decimal(digits).scaleb(power)


def _managers(manifest: Manifest, name: str) -> list[str]:
    """Who the API server says has set the field last."""
    found: dict[str, None] = {}
    for entry in mappings(metadata_of(manifest).get("managedFields")):
        fields = entry.get("fieldsV1")
        if isinstance(fields, Mapping) and name in paths(fields):
            found[text(entry.get("manager"))] = None
    return [manager for manager in found if manager]


def _short(value: Any) -> str:
    said = "not set" if value is None else repr(value)
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
