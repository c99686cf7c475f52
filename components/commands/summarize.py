"""`components summarize`: a change as a review comment, printed or kept up to date on a pull request.

Owns: where the parts come from, that a head which cannot be rendered is told in the comment, the exit code.
Leaves to others: the text (`review.summary`), the forge (`review.pull_request`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from components.checkout import ROOT
from components.commands.diff import against
from components.commands.terminal import PLAIN, USAGE, CommandError, Output, write
from components.review import revision
from components.review.pull_request import PullRequest
from components.review.revision import RevisionError
from components.review.summary import Preview, marker
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
    told = Preview.read(_read(preview)) if preview else None
    target = PullRequest(server, repository, pull_request, _token(token_file)) if pull_request else None
    change, violations, good = _judge(base, stack)
    text = comment_of(change, violations, told)
    done = target.upsert_comment(marker(stack), text) if target else ""
    if output.json:
        output.emit({"markdown": text, "violations": violations, "comment": done or None})
    elif done:
        output.say(f"comment {done}")
    else:
        write(text)
    return 0 if good and not violations and not (told and told.errors) else 1


def _judge(base: str, stack: str) -> tuple[TreeDiff, list[dict[str, Any]], bool]:
    """Diff and violations; a head that cannot be rendered is a note: the reviewer has to read why."""
    try:
        return against(base, stack), revision.lint(ROOT, stack), True
    except RevisionError as error:
        return TreeDiff(stack, base, notes=(str(error),)), [], False


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
