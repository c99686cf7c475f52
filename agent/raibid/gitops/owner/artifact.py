"""Copy rules of an ArtifactGenerator read backwards: from a path in the artifact to the source it was copied from.

Owns: `cp`'s semantics as source-watcher has them: `dir/**` copies contents, `dir/` the directory, other patterns keep
their path, a file may get another name; later rules overwrite earlier ones.
Leaves to others: which source an alias is, and where that is (`sources.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname, normpath
from typing import Any, Final

from raibid.gitops.objects import Manifest, labels_of, mappings, ref_of, spec_of, text

_RULE: Final = re.compile(r"@([a-z0-9_-]+)/(.*)")
_GLOB: Final = re.compile(r"[*?\[\]]")
_CAPTURE: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Copied:
    """One rule: what is below `source` of a source is below `target` of the artifact."""

    alias: str
    source: str
    target: str
    renamed: bool = False
    """Only if it is a file that is copied under another name, which the rule does not say."""


def rules_of(generator: Manifest, artifact: Manifest) -> tuple[Copied, ...]:
    """The rules that make one artifact, in order; rules that merge or unpack files lead to no path and are left out."""
    captures = labels_of(artifact)
    for output in mappings(spec_of(generator).get("artifacts")):
        if _filled(output.get("name"), captures) == ref_of(artifact).name:
            return tuple(copied for rule in mappings(output.get("copy")) for copied in _copied(rule, captures))
    return ()


def origins(rules: Sequence[Copied], path: str) -> list[tuple[str, str]]:
    """Alias and path of every source directory that `path` of the artifact comes from; what counts most comes first.

    Last comes what is so only if a rule is about a file.

    A rule that brings in something deeper counts as well, if the source has the same directories above it:
    `@repo/apps/**` to `@artifact/apps/` is the root of `repo` at the root of the artifact.
    """
    found: list[tuple[str, str]] = []
    newest = rules[::-1]
    for rule in sorted(newest, key=lambda rule: rule.renamed):
        origin = _origin(rule, path)
        if origin is not None and (rule.alias, origin) not in found:
            found.append((rule.alias, origin))
    return found


def relative(path: object) -> str:
    """A path within a repository or an artifact: without dots at its ends, never out of it, empty for the root."""
    return normpath(f"/{text(path)}").strip("/")


def within(path: str, directory: str) -> bool:
    """Whether a path is a directory, or below it; all are below the root."""
    return not directory or path == directory or path.startswith(f"{directory}/")


def _origin(rule: Copied, path: str) -> str | None:
    if within(path, rule.target):
        return relative(f"{rule.source}/{path[len(rule.target) :]}")
    if within(rule.target, path):
        deeper = rule.target[len(path) :].strip("/")
        if _ends_with(rule.source, deeper):
            return rule.source[: len(rule.source) - len(deeper)].strip("/")
    return None


def _ends_with(path: str, tail: str) -> bool:
    return path == tail or path.endswith(f"/{tail}")


def _copied(rule: Mapping[str, Any], captures: Mapping[str, str]) -> Iterator[Copied]:
    origin = _RULE.fullmatch(_filled(rule.get("from"), captures))
    target = _RULE.fullmatch(_filled(rule.get("to"), captures))
    if not origin or not target or rule.get("strategy") in ("Merge", "Extract"):
        return
    alias, pattern = origin.groups()
    where = relative(target[2])
    head, globbed, tail = _split(pattern)
    if not globbed:
        source = relative(pattern)
        if where and not target[2].endswith("/"):
            # Unless there is a directory of that name already, a file gets the name.
            yield Copied(alias, dirname(source), dirname(where), renamed=True)
        # A directory comes as a whole, under its own name; so does a file, which is in the same directory then.
        yield Copied(alias, source, relative(f"{where}/{basename(source)}"))
    elif tail == "**":
        yield Copied(alias, relative(head), where)
    else:
        yield Copied(alias, relative(head), relative(f"{where}/{head}"))


def _split(pattern: str) -> tuple[str, bool, str]:
    """What comes before the first segment with a wildcard, whether there is one, and the rest."""
    parts = pattern.split("/")
    for number, part in enumerate(parts):
        if _GLOB.search(part):
            return "/".join(parts[:number]), True, "/".join(parts[number:])
    return pattern, False, ""


def _filled(template: object, captures: Mapping[str, str]) -> str:
    """The template with what `pathPattern` captured, which the generator writes into the artifact's labels."""
    return _CAPTURE.sub(lambda found: text(captures.get(found[1])) or found[0], text(template))
