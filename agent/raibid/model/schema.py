"""What editors and readers learn of the pipeline file: the JSON Schema and the reference's tables.

Owns: their generation from the model, so that neither can say anything else; `mirrors.yaml` has its own the same way.
Leaves to others: the model (`pipeline`), the prose around the tables (docs/pipeline.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from raibid.model.findings import RULES
from raibid.model.pipeline import Concurrency, Globs, Pipeline, Reports, Step, When
from raibid.model.pipeline_types import format_duration


class _FileSchema(GenerateJsonSchema):
    """The schema of the file as people write it: keys are never null, empty defaults and titles say nothing."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A key is there or not; a null is a mistake."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Defaults that say something, as text: `30m`, not 1800."""
        inner = self.generate_inner(schema["schema"])
        text = default_text(schema.get("default"))
        return {**inner, "default": text} if text else inner

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        """`Timeout` above `timeout` helps nobody."""
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `.raibid.yaml`."""
    return schema_of(Pipeline, ".raibid.yaml")


def schema_of(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a file."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_FileSchema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def reference_tables() -> str:
    """Markdown: a table of keys per mapping of the file, and the table of rules."""
    titles: dict[type[BaseModel], str] = {
        Pipeline: "The file",
        Step: "A step",
        When: "`when`",
        Globs: "A filter: a glob, a list of globs, or",
        Reports: "`reports`",
        Concurrency: "`concurrency`: a group's name, or",
    }
    return tables(titles, RULES)


def tables(titles: Mapping[type[BaseModel], str], demands: Mapping[str, str]) -> str:
    """A table per model and one of rules."""
    parts = []
    for model, title in titles.items():
        # What a model inherits stands in the table of the model that has it.
        rows = [_row(name, info) for name, info in model.model_fields.items() if name in model.__annotations__]
        parts.append("\n".join([f"### {title}", "", "| key | default | meaning |", "|---|---|---|", *rows]))
    rules = [f"| `{rule}` | {demand} |" for rule, demand in demands.items()]
    parts.append("\n".join(["### Rules", "", "| rule | demands that |", "|---|---|", *rules]))
    return "\n\n".join(parts) + "\n"


def default_text(default: object) -> str:
    """A default as a file would say it; empty ones are not worth saying."""
    match default:
        case bool(flag):
            return str(flag).lower()
        case int(seconds):
            return format_duration(seconds)
        case ("**",):
            return "**"
        case _:
            return ""


def _row(name: str, info: FieldInfo) -> str:
    text = default_text(info.default)
    default = "required" if info.is_required() else f"`{text}`" * bool(text)
    return f"| `{info.alias or name}` | {default} | {info.description} |"
