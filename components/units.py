"""Kubernetes quantities as whole numbers: millicores and bytes.

Owns: reading "1500m", "1.5", "16Gi", "100G" and writing the shortest spelling back.
Leaves to others: what a number means (`settings`, `budget`).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer

KI: Final = 1024
MI: Final = 1024**2
GI: Final = 1024**3
_BINARY: Final = {"Ki": KI, "Mi": MI, "Gi": GI, "Ti": 1024**4}
_DECIMAL: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T)?")
_CORES: Final = re.compile(r"(\d+(?:\.\d+)?)(m)?")


def millicores(value: object) -> int:
    """Cores → millicores: 2, "1.5", "1500m".

    Raises:
        ValueError: not a quantity of cores, or finer than a millicore.
    """
    match = _CORES.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if match is None:
        raise ValueError("is not a quantity of cores; write 2, 1.5 or 1500m")
    number = Decimal(match[1]) * (1 if match[2] else 1000)
    if number != int(number):
        raise ValueError("is finer than a millicore; write whole millicores: 1500m")
    return int(number)


def size(value: object) -> int:
    """A size → bytes: "16Gi", "100G", 1024.

    Raises:
        ValueError: not a size.
    """
    match = _QUANTITY.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if match is None:
        raise ValueError("is not a size; write 16Gi, 512Mi or 100G")
    return int(Decimal(match[1]) * (_BINARY | _DECIMAL)[match[2] or ""])


def cores_text(value: int) -> str:
    """Millicores as Kubernetes writes them: 2000 → "2", 1500 → "1500m"."""
    return str(value // 1000) if value % 1000 == 0 else f"{value}m"


def size_text(value: int) -> str:
    """Bytes in the largest binary unit that is exact: 17179869184 → "16Gi"."""
    for suffix, factor in reversed(_BINARY.items()):
        if value and value % factor == 0:
            return f"{value // factor}{suffix}"
    return str(value)


# Written as it is read: a plain 250 would come back as 250 cores.
Millicores = Annotated[int, BeforeValidator(millicores), PlainSerializer(cores_text)]
Bytes = Annotated[int, BeforeValidator(size)]
