"""What is wrong with a pipeline file: one finding per mistake, and the rules by name.

Owns: the finding's shape, how it reads, the list of rules.
Leaves to others: finding anything (`yaml_source` for the text, `pipeline` for the meaning, `lint` for both).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from raibid.contract import PIPELINE_FILE

RULES: Final[dict[str, str]] = {
    # The text, before it means anything.
    "too-large": "a file has at most 256 KiB",
    "invalid-utf8": "a file is UTF-8",
    "syntax": "a file is YAML 1.2",
    "empty-file": "a file says something; without a file the default pipeline runs",
    "not-a-mapping": "a file's root is a mapping",
    "several-documents": "a file is one document",
    "too-deep": "values are nested at most 20 levels deep, aliases included",
    "too-many-nodes": "a file has at most 10,000 values once its aliases are expanded",
    "cyclic-alias": "an alias does not stand inside its own anchor",
    "unknown-alias": "an alias follows its anchor",
    "unknown-tag": "values are text, lists and mappings; other YAML tags are not read",
    "duplicate-key": "a mapping has each key once",
    "non-string-key": "a key is text",
    "bad-merge": "`<<` merges a mapping or a list of mappings",
    "bad-character": "text has no NUL and no half of a surrogate pair",
    "empty-value": "a key has a value",
    # The meaning.
    "unknown-key": "only the documented keys exist",
    "missing-key": "`steps`, and each step's `name` and `run`, are there",
    "wrong-type": "a value is of the documented type",
    "too-long": "names, commands and lists are of bounded length",
    "empty": "names, commands and lists are not empty",
    "multi-line-name": "names are one line",
    "bad-duration": "a duration is written `90s`, `10m` or `1h30m`, from 1 s to 24 h",
    "bad-image": "an image is a reference without spaces",
    "bad-class": "a class is lower-case letters, digits, `.`, `_` and `-`",
    "bad-env-name": "an environment variable is letters, digits and `_`, not first a digit",
    "reserved-env-name": "names that begin with RAIBID_ are the agent's own",
    "bad-secret-name": "a secret's name is upper-case letters, digits and `_`, not first a digit",
    "bad-glob": "a glob is relative, uses `/`, and `**` stands alone between slashes",
    "glob-outside": "a glob does not leave the checkout",
    "unknown-value": "a value is one of the documented ones",
    "duplicate-step-name": "each step has a name of its own",
    "step-outlives-pipeline": "a step's timeout is at most the pipeline's",
    "env-hides-secret": "a variable is either in `env` or in `secrets`",
}
"""Every rule and what it demands. A rule has a fixture of its name in the tests."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One mistake: where, which rule, what is wrong, what to do."""

    line: int  #: from 1
    column: int  #: from 1
    path: str  #: such as `steps[1].timeout`; empty for the file as a whole
    rule: str  #: a key of RULES
    message: str
    suggestion: str = ""


class PipelineError(ValueError):
    """A pipeline file that cannot be run; its text is the lint report."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(format_findings(findings))
        self.findings = findings


def format_findings(findings: Iterable[Finding], filename: str = PIPELINE_FILE) -> str:
    """`file:line:column: path: rule: message (suggestion)`, one finding per line."""
    return "\n".join(
        f"{filename}:{f.line}:{f.column}: {f.path or '(file)'}: {f.rule}: {f.message}"
        + (f" ({f.suggestion})" if f.suggestion else "")
        for f in findings
    )


def format_path(path: Iterable[str | int]) -> str:
    """`steps[1].timeout` for `("steps", 1, "timeout")`; line breaks in a key are shown, not printed."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{one_line(part)}" for part in path)
    return text.removeprefix(".")


def one_line(text: str, limit: int = 60) -> str:
    """Text fit for a message: on one line, control characters escaped, cut at `limit`."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[:limit] + "…"
