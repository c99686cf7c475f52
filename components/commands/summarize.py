"""`components summarize`: a change as a review comment, printed or kept up to date on a pull request.

Owns: where the parts come from, that a part which cannot be had is told in the comment, the exit code.
Leaves to others: the text (`review.summary`), the forge (`review.pull_request`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from components.checkout import ROOT
from components.commands.diff import against
from components.commands.terminal import PLAIN, USAGE, CommandError, Output, write
from components.review import revision
from components.review.pull_request import PullRequest
from components.review.revision import RevisionError, UnknownRevisionError
from components.review.summary import Preview, PreviewError, marker
from components.review.summary import summarize as comment_of
from components.review.tree_diff import TreeDiff

TOKEN: Final = "RAIBID_COMMENT_TOKEN"  # noqa: S105  (a variable's name)


def summarize(
    *,
    base: str,
    stack: str = "dgx-spark",
    preview: Path | None = None,
    server: str = "",
    repository: str = "",
    pull_request: Annotated[int, Parameter(name="--pull-request")] = 0,
    token_file: Annotated[Path | None, Parameter(name="--token-file")] = None,
    output: Output = PLAIN,
) -> int:
    """Say what a change does: budget before and after, resources, files of the Flux repository, policy violations.

    Printed as Markdown; with --pull-request it becomes the one comment of this stack there. The token comes from
    --token-file or RAIBID_COMMENT_TOKEN. Exits with 1 when a policy is violated, the preview failed or the head cannot
    be rendered: after commenting.

    For example:
      python -m components summarize --base origin/main
      pulumi preview -s dgx-spark --json > preview.json
      python -m components summarize --base origin/main --preview preview.json
      python -m components summarize --base origin/main --server https://git.example --repository raibid/raibid-ci \
--pull-request 7 --token-file token

    Parameters
    ----------
    base
        The revision to compare with.
    stack
        Whose settings: Pulumi.<stack>.yaml.
    preview
        What `pulumi preview --json` wrote; without it the comment has no resources.
    server
        The Gitea.
    repository
        owner/name there.
    pull_request
        Its number.
    token_file
        A file with a token of scope write:issue and read:user.
    """
    told, unread = _preview(preview)
    target = PullRequest(server, repository, pull_request, _token(token_file)) if pull_request else None
    change = _compared(base, stack)
    violations, unchecked = _violations(stack)
    # What cannot be rendered fails in both ways with the same words.
    notes = tuple(dict.fromkeys([*change.notes, *unread, *unchecked]))
    text = comment_of(replace(change, notes=notes), violations, told)
    done = target.upsert_comment(marker(stack), text) if target else ""
    if output.json:
        output.emit({"markdown": text, "violations": violations, "comment": done or None})
    elif done:
        output.say(f"comment {done}")
    else:
        write(text)
    return 0 if change.compared and violations == [] and not unread and not (told and told.errors) else 1


# Each part by itself: one that cannot be had is a note in its place, for the reviewer to read, and hides no other.


def _preview(file: Path | None) -> tuple[Preview | None, tuple[str, ...]]:
    """What Pulumi said. A preview that broke before it wrote anything leaves an empty file."""
    if file is None:
        return None, ()
    text = _read(file)
    try:
        return Preview.read(text), ()
    except PreviewError as error:
        why = str(error) if text.strip() else "it wrote nothing"
        return None, (f"The preview failed: {why}. The log of this run has Pulumi's own words.",)


def _compared(base: str, stack: str) -> TreeDiff:
    try:
        return against(base, stack)
    except UnknownRevisionError:  # wrong use: no reviewer is to read that
        raise
    except RevisionError as error:
        return TreeDiff(stack, base, notes=(str(error),), compared=False)


def _violations(stack: str) -> tuple[list[dict[str, Any]] | None, tuple[str, ...]]:
    try:
        return revision.lint(ROOT, stack), ()
    except RevisionError as error:
        return None, (str(error),)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", "pulumi preview --json > FILE", USAGE) from error


def _token(file: Path | None) -> str:
    token = _read(file).strip() if file else os.environ.get(TOKEN, "")
    if not token:
        raise CommandError("no token to comment with", f"--token-file FILE, or set {TOKEN}", USAGE)
    return token
