"""The one way to read a pipeline file: every mistake, with its place, its rule and what to do.

Owns: what a pipeline file's keys were probably meant to be.
Leaves to others: the text's mistakes (`yaml_source`), the model's rules (`pipeline`), their findings
(`model_findings`), printing (`raibid.cli`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError

from raibid.contract import PIPELINE_FILE
from raibid.model.findings import RULES, Finding, PipelineError, format_findings
from raibid.model.model_findings import finding_at, from_model, keys_of, nearest, ordered
from raibid.model.pipeline import CLASH, Pipeline, Step, clashes
from raibid.model.yaml_source import Position, Source, read

__all__ = ["RULES", "Finding", "Linted", "PipelineError", "format_findings", "lint", "load"]

_OTHER_WORDS: Final = {
    "script": "run", "command": "run", "commands": "run", "cmd": "run",
    "environment": "env", "variables": "env",
    "on": "when", "if": "when", "only": "when", "rules": "when",
    "jobs": "steps", "stages": "steps", "tasks": "steps",
    "junit": "reports", "report": "reports",
    "runs-on": "class", "timeout-minutes": "timeout",
}  # fmt: skip
"""What other CI systems call our keys."""


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
    findings = ordered(found)
    return Linted(pipeline=None if findings else pipeline, findings=findings, filename=filename)


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
    found = [from_model(detail, source, Pipeline, _key_suggestion) for detail in errors]
    for clash in clashes(source.data or {}):
        at = source.values.get(clash.path, Position())
        found.append(finding_at(at, clash.path, clash.rule, clash.message, clash.suggestion))
    return found


def _key_suggestion(key: str, model: type[BaseModel]) -> str:
    """The key that was probably meant, in a mapping where a key is not known."""
    known = keys_of(model)
    if _OTHER_WORDS.get(key) in known:
        return f"did you mean `{_OTHER_WORDS[key]}`?"
    if model is Step and key in keys_of(Pipeline):
        return f"`{key}` belongs to the pipeline, not to a step"
    if model is Pipeline and key in keys_of(Step):
        return f"`{key}` belongs to a step"
    return nearest(key, known, "known keys")
