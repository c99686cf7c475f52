"""The one way to read a pipeline file: every mistake, with its place, its rule and what to do.

Owns: turning the model's errors into findings.
Leaves to others: the text's mistakes (`yaml_source`), the model's rules (`pipeline`), printing (`raibid.cli`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from raibid.contract import PIPELINE_FILE
from raibid.model.findings import RULES, Finding, PipelineError, format_findings, format_path, one_line
from raibid.model.pipeline import CLASH, Pipeline, Step, clashes
from raibid.model.yaml_source import Position, Source, read

__all__ = ["RULES", "Finding", "Linted", "PipelineError", "format_findings", "lint", "load"]

_RULE_OF: Final = {
    "extra_forbidden": "unknown-key",
    "missing": "missing-key",
    "literal_error": "unknown-value",
    "string_too_long": "too-long",
    "too_long": "too-long",
}
"""pydantic's own types of errors; our validators' types are rules already, all others end in `_type`."""

_OTHER_WORDS: Final = {
    "script": "run", "command": "run", "commands": "run", "cmd": "run",
    "environment": "env", "variables": "env",
    "on": "when", "if": "when", "only": "when", "rules": "when",
    "jobs": "steps", "stages": "steps", "tasks": "steps",
    "runs-on": "class", "timeout-minutes": "timeout",
}  # fmt: skip
"""What other CI systems call our keys."""

_TYPE_WORDS: Final[dict[type, str]] = {str: "text", list: "a list", dict: "a mapping"}


@dataclass(frozen=True, kw_only=True)
class Linted:
    """A file's pipeline, if it is right, and all that is wrong with it."""

    pipeline: Pipeline | None
    findings: tuple[Finding, ...]
    filename: str = PIPELINE_FILE

    def __str__(self) -> str:
        return format_findings(self.findings, self.filename)


def lint(source: bytes, filename: str = PIPELINE_FILE) -> Linted:
    """Read a pipeline file and tell everything that is wrong with it, in order of place. Never raises."""
    text = read(source)
    found = list(text.findings)
    pipeline = None
    if text.data is not None:
        explained = {finding.path for finding in found}
        try:
            pipeline = Pipeline.model_validate(text.data)
        except ValidationError as error:
            found += [f for f in _model_findings(error, text) if f.path not in explained]
    ordered = _ordered(found)
    return Linted(pipeline=None if ordered else pipeline, findings=ordered, filename=filename)


def _ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """By place; a mistake inside an anchor is told once, however often the anchor is used."""
    mistakes: dict[tuple[int, int, str, str], Finding] = {}
    for finding in sorted(found, key=lambda f: (f.line, f.column, f.path, f.rule)):
        mistakes.setdefault((finding.line, finding.column, finding.rule, finding.message), finding)
    return tuple(mistakes.values())


def load(source: bytes) -> Pipeline:
    """Read a pipeline file.

    Raises:
        PipelineError: the file is wrong; the error carries all findings, its text is the report.
    """
    linted = lint(source)
    if linted.pipeline is None:
        raise PipelineError(linted.findings)
    return linted.pipeline


def _model_findings(error: ValidationError, source: Source) -> list[Finding]:
    errors = [detail for detail in error.errors(include_url=False) if detail["type"] != CLASH]
    found = [_from_model(detail, source) for detail in errors]
    for clash in clashes(source.data or {}):
        at = source.values.get(clash.path, Position())
        found.append(_finding(at, clash.path, clash.rule, clash.message, clash.suggestion))
    return found


def _from_model(detail: Mapping[str, Any], source: Source) -> Finding:
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
        return _finding(source.keys[path], path, rule, message, _key_suggestion(key, location[:-1]))
    if kind == "missing":
        return _finding(at, (*path, location[-1]), rule, f"`{location[-1]}` is missing", f"add `{location[-1]}:`")
    if location[-1] == "[key]":  # a mapping's key, not its value
        at = source.keys[path]
    message, suggestion = _explained(rule, detail, context)
    return _finding(at, path, rule, message, suggestion)


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
        return f"`{one_line(str(detail['input']))}` is not known", _nearest(str(detail["input"]), known, "known")
    return (
        f"this is too long: at most {context['max_length']:,}",
        "shorten it, or move it into a file of the repository",
    )


def _finding(at: Position, path: tuple[str | int, ...], rule: str, message: str, suggestion: str) -> Finding:
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


def _key_suggestion(key: str, place: tuple[str | int, ...]) -> str:
    """The key that was probably meant, at the place where a key is not known."""
    model = _model_at(place)
    known = _keys(model)
    if _OTHER_WORDS.get(key) in known:
        return f"did you mean `{_OTHER_WORDS[key]}`?"
    if model is Step and key in _keys(Pipeline):
        return f"`{key}` belongs to the pipeline, not to a step"
    if model is Pipeline and key in _keys(Step):
        return f"`{key}` belongs to a step"
    return _nearest(key, known, "known keys")


def _nearest(word: str, known: list[str], title: str) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"{title}: {', '.join(known)}"


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_at(place: tuple[str | int, ...]) -> type[BaseModel]:
    """The model that a location of the pipeline belongs to."""
    model: type[BaseModel] = Pipeline
    for part in place:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
