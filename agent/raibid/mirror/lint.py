"""The one way to read `mirrors.yaml`: every mistake, with its place, its rule and what to do.

Owns: the rules by name, what was probably meant by a key that is not known.
Leaves to others: the text's mistakes (`raibid.model.yaml_source`), the values' rules (`config.py`), how values must
agree (`agreement.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from raibid.mirror.agreement import clashes
from raibid.mirror.config import MirrorsFile
from raibid.mirror.errors import MirrorFileError
from raibid.model import findings
from raibid.model.findings import Finding, format_findings
from raibid.model.model_findings import finding_at, from_model, keys_of, nearest, ordered
from raibid.model.yaml_source import Position, read

FILE: Final = "mirrors.yaml"

TEXT_RULES: Final = tuple(findings.RULES)[: tuple(findings.RULES).index("unknown-key")]
"""The text's rules, which are the pipeline file's too."""

RULES: Final[dict[str, str]] = {
    "unknown-key": "only the documented keys exist",
    "missing-key": "`target`, and an organisation's `github`, are there",
    "wrong-type": "a value is of the documented type",
    "unknown-value": "a value is one of the documented ones",
    "too-long": "descriptions, patterns and lists are of bounded length",
    "empty": "lists are not empty",
    "one-source": "a single entry has `source` or `github`, not both",
    "bad-source": "a source is a clone URL, without a user or a password in it",
    "host-not-listed": "a source is at a host of `hosts`, by https unless the host says `http: true`",
    "bad-owner": "an owner is one name",
    "bad-repository": "a repository is owner/name",
    "bad-name": "a repository's name is letters, digits, `-`, `_` and `.`",
    "bad-interval": "an interval is from 10m to 720h, or `never`",
    "bad-pattern": "a pattern is a regular expression that cannot be slow",
    "bad-port": "a port is a number from 1 to 65535",
    "bad-token-name": "a token is named, never written out",
    "whose-token": "the token of `defaults` is for GitHub: entries at other hosts name their own, or `none`",
    "duplicate-target": "each target has one entry",
    "duplicate-org": "each organisation has one entry",
    "unguarded": "a `force_push` policy is kept by raibid; Gitea by itself keeps to none",
    "leaks-private": "private repositories do not become public mirrors",
}
"""Every rule about the meaning. A rule has a fixture of its name in the tests."""

_OTHER_WORDS: Final = {
    "url": "source", "from": "source", "clone_url": "source", "repository": "source", "repo": "source",
    "to": "target", "destination": "target", "name": "target",
    "organization": "github", "organisation": "github", "mirror_interval": "interval",
    "singles": "single", "repositories": "single", "orgs": "org", "organizations": "org", "organisations": "org",
    "password": "token", "auth_token": "token", "allowed_hosts": "hosts",
}  # fmt: skip
"""What other mirror tools call our keys."""


@dataclass(frozen=True, kw_only=True)
class Linted:
    """A file, if it is right, and all that is wrong with it."""

    file: MirrorsFile | None
    findings: tuple[Finding, ...]
    filename: str = FILE

    def __str__(self) -> str:
        return format_findings(self.findings, self.filename)


def lint(source: bytes, filename: str = FILE) -> Linted:
    """Read the file and tell everything that is wrong with it, in order of place. Never raises."""
    text = read(source, "single")
    found = list(text.findings)
    file = None
    if text.data is not None:
        explained = {finding.path for finding in found}
        try:
            file = MirrorsFile.model_validate(text.data)
        except ValidationError as error:
            details = error.errors(include_url=False)
            more = [from_model(detail, text, MirrorsFile, _key_suggestion) for detail in details]
            found += [finding for finding in more if finding.path not in explained]
        else:
            for clash in clashes(file):
                at = text.values.get(clash.path, Position())
                found.append(finding_at(at, clash.path, clash.rule, clash.message, clash.suggestion))
    right = ordered(found)
    return Linted(file=None if right else file, findings=right, filename=filename)


def load(path: Path) -> MirrorsFile:
    """Read the file.

    Raises:
        MirrorFileError: it cannot be read, or is wrong; the text is the whole report.
    """
    try:
        linted = lint(path.read_bytes(), str(path))
    except OSError as error:
        raise MirrorFileError(f"{path}: {error.strerror}") from error
    if linted.file is None:
        raise MirrorFileError(str(linted))
    return linted.file


def _key_suggestion(key: str, model: type[BaseModel]) -> str:
    known = keys_of(model)
    if _OTHER_WORDS.get(key) in known:
        return f"did you mean `{_OTHER_WORDS[key]}`?"
    return nearest(key, known, "known keys")
