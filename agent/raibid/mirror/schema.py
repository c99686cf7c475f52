"""What editors and readers learn of `mirrors.yaml`: the JSON Schema and the reference's tables.

Owns: which parts of the file have a table.
Leaves to others: how either is made of a model (`raibid.model.schema`), the prose around the tables (docs/mirrors.md).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from raibid.mirror.config import Defaults, HostEntry, Manner, MirrorsFile, OrgEntry, SingleEntry
from raibid.mirror.lint import FILE, RULES
from raibid.model import schema


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `mirrors.yaml`."""
    return schema.schema_of(MirrorsFile, FILE)


def reference_tables() -> str:
    """Markdown: a table of keys per mapping of the file, and the table of rules about their meaning."""
    titles: dict[type[BaseModel], str] = {
        MirrorsFile: "The file",
        Manner: "Keys of `defaults` and of every entry",
        Defaults: "`defaults`",
        SingleEntry: "An entry of `single`",
        OrgEntry: "An entry of `org`",
        HostEntry: "A host: its name, or",
    }
    return schema.tables(titles, RULES)
