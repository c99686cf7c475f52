"""`data` and `stringData` of a Secret: one value, written the way the file has it.

Owns: which of the two, base64.
Leaves to others: encryption (`sealed.py`).
"""

from __future__ import annotations

import base64
from typing import Any

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.fields import Field
from raibid.gitops.files.generators import decoded
from raibid.gitops.files.provenance import Built
from raibid.gitops.objects import mapping


def data_field(built: Built, key: str) -> Field:
    """Where a ConfigMap or Secret has a key, or would have it."""
    if built.origin.kind != "Secret":
        return "data", key
    final = built.final
    if key in mapping(final.get("stringData")):
        return "stringData", key
    return ("data", key) if "data" in final else ("stringData", key)


def data_value(built: Built, wanted: Field, text: str) -> str:
    """A text as it stands in that field."""
    return base64.b64encode(text.encode()).decode() if built.origin.kind == "Secret" and wanted[0] == "data" else text


def secret_field(built: Built, wanted: Field, value: Any) -> tuple[Field, Any]:
    """A field of a Secret and its value as the file has them: a live Secret shows `data` whatever the file says.

    Raises:
        NotEditableError: the value is no text, or no base64 where that is asked for.
    """
    if built.origin.kind != "Secret" or len(wanted) != 2 or wanted[0] not in ("data", "stringData"):
        return wanted, value
    if not isinstance(value, str):
        raise NotEditableError("a Secret's values are texts", "put it in quotes")
    text = decoded(value) if wanted[0] == "data" else value
    field = data_field(built, str(wanted[1]))
    return field, data_value(built, field, text)
