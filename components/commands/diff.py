"""`components diff`: what a change does to a stack, against any revision of this repository.

Owns: which revision, unified diffs and the budget on the terminal, the JSON.
Leaves to others: rendering (`review.revision`), comparing (`review.tree_diff`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from components.checkout import ROOT
from components.commands.terminal import PLAIN, USAGE, CommandError, Output, line, table
from components.review import revision
from components.review.tree_diff import SIGNS, TreeDiff, compare

_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}


def diff(*, base: str, stack: str = "dgx-spark", output: Output = PLAIN) -> int:
    """Compare the work tree with a revision: Flux repository and budget, each rendered by its own code.

    For example:
      python -m components diff --base origin/main
      python -m components diff --base HEAD~1 --stack local --json

    Parameters
    ----------
    base
        Any revision that git knows.
    stack
        Whose settings: Pulumi.<stack>.yaml.
    """
    change = against(base, stack)
    if output.json:
        output.emit(asdict(change))
    else:
        _show(change)
    return 0


def against(base: str, stack: str) -> TreeDiff:
    """The work tree's stack against a revision's; without the program or the stack there, everything is new.

    Raises:
        CommandError: the work tree has no such stack. RevisionError: one of the two cannot be rendered.
    """
    if not revision.knows(ROOT, stack):
        raise CommandError(f"there is no Pulumi.{stack}.yaml here", "name another with --stack", USAGE)
    with revision.checkout(ROOT, base) as old:
        there = revision.knows(old, stack)
        before = revision.render(old, stack) if there else revision.EMPTY
    notes = () if there else (f"{base} has no stack {stack}: everything is new",)
    return compare(stack, base, before, revision.render(ROOT, stack), notes)


def _show(change: TreeDiff) -> None:
    for note in change.notes:
        line(note, "yellow")
    for file in change.changes:
        line(f"{SIGNS[file.kind]} {file.path}", "bold")
        for text in file.diff.splitlines():
            line(f"    {text}", _STYLES.get(text[:1], ""))
    if not change.changes:
        line("no file of the Flux repository changes")
    table(["budget", "before", "after"], [(f.name, f.before or "–", f.after or "–") for f in change.figures])
