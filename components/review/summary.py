"""A preview as a review comment: pure Markdown out of what Pulumi, the renderer and the policies say.

Owns: which resources are worth a line, the order of the sections, folding, the bound of a comment, the marker.
Leaves to others: running a preview, rendering (`review.revision`), posting (`review.pull_request`).

A secret cannot come in: of `pulumi preview --json` only operations, names and property names are read, never values.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from components.review.tree_diff import SIGNS, FileChange, TreeDiff

LIMIT: Final = 64_000
"""Characters of a comment: Gitea takes more, GitHub 65,536; what is cut is said."""
_QUIET: Final = frozenset({"same", "read", "refresh"})
_LINES_PER_FILE: Final = 120
_FIGURES_IN_THE_OPEN: Final = 16
_SHOWN_PROPERTIES: Final = 6
_VERBS: Final = {
    "create": "create", "update": "update", "delete": "**delete**", "replace": "**replace**",
    "create-replacement": "**replace**", "delete-replaced": "", "discard-replaced": "",
}  # fmt: skip
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m|<\{%[^%]*%\}>")


class PreviewError(Exception):
    """The file is not what `pulumi preview --json` writes."""

    hint = "pulumi preview --json > FILE, with nothing else on stdout"


@dataclass(frozen=True)
class Step:
    """What would happen to one resource."""

    operation: str
    type: str
    name: str
    properties: tuple[str, ...]
    """Names of the inputs that differ, as paths."""


@dataclass(frozen=True)
class Preview:
    """What is worth telling of a preview."""

    steps: tuple[Step, ...]
    unchanged: int
    errors: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Preview:
        """Pulumi's PreviewDigest.

        Raises:
            PreviewError: the text is not one.
        """
        try:
            digest = json.loads(text)
        except json.JSONDecodeError as error:
            raise PreviewError(f"not JSON: {error.msg} (line {error.lineno})") from error
        if not isinstance(digest, dict) or not {"steps", "diagnostics", "changeSummary"} & digest.keys():
            raise PreviewError("no steps, diagnostics or changeSummary in it")
        steps = digest.get("steps") or []
        return cls(
            steps=tuple(_step(step) for step in steps if step["op"] not in _QUIET),
            unchanged=sum(step["op"] == "same" for step in steps),
            errors=tuple(
                _ANSI.sub("", str(said["message"])).strip()
                for said in digest.get("diagnostics") or []
                if said.get("severity") == "error"
            ),
        )


def _step(step: Mapping[str, Any]) -> Step:
    type_, _, name = step["urn"].rpartition("::")
    old, new = ((step.get(state) or {}).get("inputs") or {} for state in ("oldState", "newState"))
    detailed = step.get("detailedDiff") or {}
    properties = sorted(detailed) if detailed else sorted(_differing(old, new)) if old and new else []
    return Step(step["op"], type_.rpartition("::")[2].rpartition("$")[2], name, tuple(properties))


def _differing(old: Any, new: Any, path: str = "") -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {*old, *new}:
            yield from _differing(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    else:
        yield path


def marker(stack: str) -> str:
    """The line by which the comment of a stack is found again."""
    return f"<!-- raibid:preview:{stack} -->"


def summarize(diff: TreeDiff, violations: Sequence[Mapping[str, Any]] | None, preview: Preview | None = None) -> str:
    """The comment: budget, resources, policies in the open; files of the Flux repository folded.

    `violations` is None where the policies could not be asked, which is not the same as none.
    """
    head = "\n\n".join(
        [
            marker(diff.stack),
            f"### Stack `{diff.stack}` against `{_cell(diff.base)}`",
            *(_fenced(note, "") if "\n" in note else f"> {_cell(note)}" for note in diff.notes),
            *_budget(diff),
            *(_resources(preview) if preview else ()),
            *_policies(violations),
            _files_title(diff),
        ]
    )
    return _bounded(head, diff.changes)


def _budget(diff: TreeDiff) -> Iterator[str]:
    if not diff.figures:
        return
    rows = [
        f"| {_cell(figure.name)} | {_cell(figure.before) or '–'} | {_cell(figure.after) or '–'} |"
        for figure in diff.figures
    ]
    moved = any(figure.before != figure.after for figure in diff.figures)
    title = "#### Budget" if moved else "#### Budget: unchanged"
    heading = ["", "| | before | after |", "|---|---|---|"]
    yield "\n".join([title, *heading, *rows[:_FIGURES_IN_THE_OPEN]])
    if more := rows[_FIGURES_IN_THE_OPEN:]:
        table = "\n".join([*heading, *more])
        yield f"<details><summary>{len(more)} more figures</summary>\n{table}\n\n</details>"


def _resources(preview: Preview) -> Iterator[str]:
    for error in preview.errors:
        yield f"**The preview failed:**\n\n{_fenced(error, '')}"
    shown = [(verb, step) for step in preview.steps if (verb := _VERBS.get(step.operation, step.operation))]
    counts = Counter(verb.strip("*") for verb, _ in shown)
    counted = ", ".join(f"{number} to {verb}" for verb, number in sorted(counts.items())) or "nothing to do"
    lines = [f"#### Resources: {counted}, {preview.unchanged} unchanged"]
    if shown:
        lines += ["", "| | resource | type | inputs that change |", "|---|---|---|---|"]
        lines += [
            f"| {verb} | {_cell(s.name)} | `{_cell(s.type)}` | {_properties(s.properties)} |" for verb, s in shown
        ]
    yield "\n".join(lines)


def _properties(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_PROPERTIES
    return ", ".join(f"`{_cell(name)}`" for name in names[:_SHOWN_PROPERTIES]) + (
        f" and {more} more" if more > 0 else ""
    )


def _policies(violations: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    if violations is None:
        yield "#### Policies: not checked"
        return
    if not violations:
        yield "#### Policies: no violation"
        return
    lines = [
        f"- `{_cell(found['path'])}` {_cell(found['object'])}: **{_cell(found['rule'])}**: {_cell(found['message'])}"
        f" → {_cell(found['remedy'])}"
        for found in violations
    ]
    yield "\n".join([f"#### Policies: {len(violations)} violated", "", *lines])


def _files_title(diff: TreeDiff) -> str:
    if not diff.compared:
        return "#### Flux repository: not compared"
    if not diff.changes:
        return "#### Flux repository: no file changes"
    counts = Counter(change.kind for change in diff.changes)
    counted = ", ".join(f"{counts[kind]} {kind}" for kind in SIGNS if counts[kind])
    return f"#### Flux repository: {counted}"


def _bounded(head: str, changes: Sequence[FileChange]) -> str:
    """The whole comment below LIMIT: folded diffs while there is room, then names, then how many are left."""
    text, left = head[: LIMIT - 2_000], len(changes)
    if len(head) > len(text):
        text = text[: text.rfind("\n")] + "\n\n… cut: the whole is in the log of this run."
    for change in changes:
        room = LIMIT - 200 - len(text)
        whole, name = _file(change), f"\n\n`{SIGNS[change.kind]} {change.path}` (+{change.added} −{change.removed})"
        block = whole if len(whole) <= room else name
        if len(block) > room:
            break
        text += block
        left -= 1
    return text + (f"\n\n… and {left} more files." if left else "") + "\n"


def _file(change: FileChange) -> str:
    lines = change.diff.splitlines()
    body = "\n".join(lines[:_LINES_PER_FILE])
    cut = f"\n\n… {len(lines) - _LINES_PER_FILE} more lines" if len(lines) > _LINES_PER_FILE else ""
    title = f"<code>{SIGNS[change.kind]} {change.path}</code> (+{change.added} −{change.removed})"
    return f"\n\n<details><summary>{title}</summary>\n\n{_fenced(body, 'diff')}{cut}\n\n</details>"


def _fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any in the text: a manifest must not break out of it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _cell(text: object) -> str:
    """Text inside a table or a line: no line break, no cell's end, no HTML."""
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|").replace("<", "&lt;").strip()
