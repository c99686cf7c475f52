"""The errors of a file's model as findings, each at its place in the file.

Owns: pydantic's errors → rules, words, suggestions; the order of findings.
Leaves to others: the text's mistakes (`yaml_source`), the models and the words that are theirs alone (`lint`, and
`raibid.mirror.lint` for `mirrors.yaml`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel

from raibid.model.findings import Finding, format_path, one_line
from raibid.model.yaml_source import Position, Source

SuggestKey = Callable[[str, type[BaseModel]], str]
"""A key that is not known, and the model it stands in → what was probably meant."""

_RULE_OF: Final = {
    "extra_forbidden": "unknown-key",
    "missing": "missing-key",
    "literal_error": "unknown-value",
    "string_too_long": "too-long",
    "too_long": "too-long",
}
"""pydantic's own types of errors; our validators' types are rules already, all others end in `_type`."""

_TYPE_WORDS: Final[dict[type, str]] = {str: "text", list: "a list", dict: "a mapping"}


def ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by place; a mistake inside an anchor is told once, however often the anchor is used."""
    mistakes: dict[tuple[int, int, str, str], Finding] = {}
    for finding in sorted(found, key=lambda f: (f.line, f.column, f.path, f.rule)):
        mistakes.setdefault((finding.line, finding.column, finding.rule, finding.message), finding)
    return tuple(mistakes.values())


def from_model(detail: Mapping[str, Any], source: Source, root: type[BaseModel], suggest: SuggestKey) -> Finding:
    """One of pydantic's errors as a finding at its place in the file."""
    location: tuple[str | int, ...] = detail["loc"]
    path = _written(location, source)
    at = source.values[path]
    kind: str = detail["type"]
    rule = _RULE_OF.get(kind, "wrong-type" if kind.endswith("_type") else kind)
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        key = str(location[-1])
        message = f"the key `{one_line(key)}` is not known"
        return finding_at(source.keys[path], path, rule, message, suggest(key, _model_at(location[:-1], root)))
    if kind == "missing":
        return finding_at(at, (*path, location[-1]), rule, f"`{location[-1]}` is missing", f"add `{location[-1]}:`")
    if location[-1] == "[key]":  # a mapping's key, not its value
        at = source.keys[path]
    message, suggestion = _explained(rule, detail, context)
    return finding_at(at, path, rule, message, suggestion)


def _explained(rule: str, detail: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[str, str]:
    """Message and suggestion of an error."""
    if "text" in context:
        return context["text"], context["suggestion"]
    if rule == "wrong-type":
        wanted = {"string_type": "text", "tuple_type": "a list"}.get(detail["type"], "a mapping")
        given = _TYPE_WORDS.get(type(detail["input"]), "something else")
        lines = detail["loc"][-1] == "run" and given == "a list"
        return f"this is {given}, not {wanted}", "write `run: |` and a line each" if lines else f"make it {wanted}"
    if rule == "unknown-value":
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"`{one_line(str(detail['input']))}` is not known", nearest(str(detail["input"]), known, "known")
    return (
        f"this is too long: at most {context['max_length']:,}",
        "shorten it, or move it into a file of the repository",
    )


def finding_at(at: Position, path: tuple[str | int, ...], rule: str, message: str, suggestion: str) -> Finding:
    """A finding at a place."""
    return Finding(
        line=at.line, column=at.column, path=format_path(path), rule=rule, message=message, suggestion=suggestion
    )


def _written(location: tuple[str | int, ...], source: Source) -> tuple[str | int, ...]:
    """The location as the file has it: without `include` and `[0]` where a short form was written."""
    path: tuple[str | int, ...] = ()
    for part in location:
        if (*path, part) in source.values:
            path = (*path, part)
    return path


def nearest(word: str, known: list[str], title: str) -> str:
    """The known word that was probably meant, or all of them."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"{title}: {', '.join(known)}"


def keys_of(model: type[BaseModel]) -> list[str]:
    """A model's keys as the file has them."""
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_at(place: tuple[str | int, ...], root: type[BaseModel]) -> type[BaseModel]:
    """The model that a location of the file belongs to."""
    model = root
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
