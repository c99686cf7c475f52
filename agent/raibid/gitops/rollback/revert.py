"""The revert: one commit that makes an applier's files what they were at the good commit, and touches no other.

Owns: which files, which commits are named, what stays of later commits.
Leaves to others: whether it is right (`decide.py`), pushing it (`raibid.gitops.change.landing`).

Not `git revert`: it takes a whole commit back, and with it what the commit did for other appliers; and it stops where
only somebody else's file conflicts. The reverse of the difference, limited to the files, is the same for our files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from raibid.gitops.change import trailers
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.message import message
from raibid.gitops.errors import RevertError
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.closure import closure
from raibid.gitops.rollback.commits import Commit, parents_said, touching
from raibid.gitops.rollback.emitted import emitted, kept_true
from raibid.gitops.rollback.tree import Tree, parents

_PATCH: Final = ".git/raibid-revert.patch"
_AT_ONCE: Final = 200
"""Paths of one `git diff`, which takes them as arguments alone: a path has up to 4 KiB, all arguments 2 MiB."""
_UNREADABLE: Final = "\ufffd"
"""What stands for bytes of a name that are no UTF-8."""
_TOLD: Final = 20
"""Commits whose subject is in the message; the trailers name all."""


@dataclass(frozen=True, kw_only=True)
class Why:
    """What the revert's message says beside the commits."""

    reason: str = ""
    by: str = ""
    object: Ref | None = None
    """What somebody named, if it is not the applier."""


@dataclass(frozen=True)
class Reach:
    """What a revert is about."""

    good: Tree
    bad: Tree
    paths: frozenset[str]
    """Every file that the applier read at either commit."""
    commits: tuple[Commit, ...]
    """Those that touched one of them, newest first."""


def reach(checkout: Checkout, paths: Sequence[str], good: str, bad: str) -> Reach:
    """What lies between two commits of the branch for an applier that reads these paths.

    Raises:
        RevertError: one of them is not in the branch's history. GitError.
    """
    if not checkout.contains(good, bad):
        raise RevertError(f"{good[:12]} is not in the history of {bad[:12]}", "the branch was forced; choose --to")
    if not checkout.contains(bad, checkout.head):
        raise RevertError(f"{bad[:12]} is not in the branch any more", "there is nothing to take back")
    before, after = Tree.of(checkout, good), Tree.of(checkout, bad)
    found = closure(before, paths) | closure(after, paths)
    # Who changed what is as it was again, has nothing left to take back.
    different = before.differs(after, found)
    for path in sorted(different):
        if not path.isprintable() or _UNREADABLE in path:
            raise RevertError(f"{path!r} has a name that is no text", "take it back by hand")
    return Reach(before, after, found, tuple(touching(checkout, good, bad, different)))


def revert(
    checkout: Checkout, paths: Sequence[str], good: str, bad: str, *, about: Ref, why: Why | None = None
) -> str | None:
    """Commit what takes `good..bad` back for whoever reads these paths; the commit. None: nothing is to be done.

    Made on the branch's newest commit. What later commits changed stays.

    Raises:
        RevertError: a later commit changed the very same lines; or as `reach`. GitError.
    """
    found = reach(checkout, paths, good, bad)
    if not found.commits:
        return None
    _take_back(checkout, found)
    return checkout.commit(_message(found, good, about, why or Why()))


def revert_commits(
    checkout: Checkout, paths: Sequence[str], commits: Sequence[str], *, about: Ref, why: Why | None = None
) -> str | None:
    """Commit what takes these commits back for whoever reads these paths. None: they did nothing there.

    Raises:
        RevertError: a commit is not in the branch, or something later changed the very same lines. GitError.
    """
    taken: list[Reach] = []
    for commit in _newest_first(checkout, commits):
        found = reach(checkout, paths, parent_of(checkout, commit), commit)
        if found.commits:
            _take_back(checkout, found)
            taken.append(found)
    if not taken:
        return None
    paths_taken = frozenset(path for found in taken for path in found.paths)
    together = Reach(taken[-1].good, taken[0].bad, paths_taken, tuple(one for found in taken for one in found.commits))
    return checkout.commit(_message(together, "", about, why or Why()))


def parent_of(checkout: Checkout, commit: str) -> str:
    """The commit before it, in the branch that it was merged into.

    Raises:
        RevertError: it is the first one. GitError.
    """
    said = parents_said(checkout, commit)
    if not said:
        raise RevertError(f"{commit[:12]} is the branch's first commit", "there is nothing before it")
    checkout.deepen(said[0])
    return said[0]


def _newest_first(checkout: Checkout, commits: Sequence[str]) -> list[str]:
    for commit in commits:
        if not checkout.contains(commit, checkout.head):
            raise RevertError(f"{commit[:12]} is not in the branch")
    asked = frozenset(commits)
    return [sha for sha in checkout.git("rev-list", "--topo-order", checkout.head).split() if sha in asked]


def _take_back(checkout: Checkout, found: Reach) -> None:
    """Make the files of the checkout what they were, keep what came later, and the program's records true."""
    now = _staged(checkout)
    if now.only(found.paths) == found.bad.only(found.paths):
        _restore(checkout, found.good, now, found.paths)
    else:
        _apply_reversed(checkout, found)
    result = _staged(checkout)
    restored = [
        path
        for path in found.paths
        if result.files.get(path) != now.files.get(path) and result.files.get(path) == found.good.files.get(path)
    ]
    checkout.write(kept_true(now, found.good, restored))


def _staged(checkout: Checkout) -> Tree:
    return Tree.of(checkout, checkout.git("write-tree").strip())


def _restore(checkout: Checkout, good: Tree, now: Tree, paths: frozenset[str]) -> None:
    gone = [path for path in paths if path in now.files and path not in good.files]
    back = [path for path in paths if path in good.files and good.files[path] != now.files.get(path)]
    staying = now.files.keys() - set(gone)
    for path in back:
        # git would make room by deleting them.
        if any(parent in staying for parent in parents(path)) or any(path in parents(other) for other in staying):
            raise RevertError(f"{path} is now a directory, or below a file, of somebody else's")
    if gone:
        _with_paths(checkout, gone, "rm", "--quiet", "--force")
    if back:
        _with_paths(checkout, back, "checkout", "--quiet", good.commit)


def _with_paths(checkout: Checkout, paths: Iterable[str], *arguments: str) -> None:
    lines = "\0".join(f":(literal){path}" for path in paths)
    checkout.git(*arguments, "--pathspec-from-file=-", "--pathspec-file-nul", lines=lines)


def _apply_reversed(checkout: Checkout, found: Reach) -> None:
    """Take the difference back where somebody changed the files since; their changes stay."""
    how = ("--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv")
    patch, part = checkout.at / _PATCH, checkout.at / f"{_PATCH}.part"
    patch.write_bytes(b"")
    limited = [f":(literal){path}" for path in sorted(found.good.differs(found.bad, found.paths))]
    for some in range(0, len(limited), _AT_ONCE):
        # By way of a file: what git prints is read as text, and a patch may hold anything.
        span = (f"--output={part}", found.good.commit, found.bad.commit)
        checkout.git("diff", *how, *span, "--", *limited[some : some + _AT_ONCE])
        with patch.open("ab") as whole:
            whole.write(part.read_bytes())
    if not patch.stat().st_size:
        return
    ended = checkout.attempt("apply", "--reverse", "--3way", "--whitespace=nowarn", _PATCH)
    if ended.code:
        touched = checkout.git("diff", "--name-only", "--diff-filter=U").split("\n")[0]
        checkout.git("reset", "--quiet", "--hard", "HEAD")
        raise RevertError(
            f"a later commit changed the same lines: {touched or ended.last}",
            "take that one back, too (--commit), or edit the file",
        )


def _message(found: Reach, good: str, about: Ref, why: Why) -> str:
    told = [f"{commit.sha[:12]} ({commit.subject[:80]})" for commit in found.commits[:_TOLD]]
    more = f" and {len(found.commits) - _TOLD} more" if len(found.commits) > _TOLD else ""
    paragraphs = [why.reason, f"Takes back {', '.join(told)}{more}."]
    if any(not found.paths.issuperset(commit.files) for commit in found.commits):
        paragraphs.append(f"Only what {about.namespace}/{about.name} reads: what they did to other files stays.")
    if emitted(found.bad) & found.good.differs(found.bad, found.paths):
        paragraphs.append("`pulumi up` wrote these files: unless its settings change, the next run brings them back.")
    subject = f"Roll back {why.object or f'{about.namespace}/{about.name}'}" + (f" to {good[:12]}" if good else "")
    named = {
        trailers.OBJECT: str(why.object or about),
        trailers.BY: why.by,
        trailers.REASON: why.reason,
        trailers.ROLLBACK: f"{about.namespace}/{about.name}",
        trailers.REVERTS: [commit.sha for commit in found.commits],
        trailers.KNOWN_GOOD: good,
    }
    return message(subject, "\n\n".join(paragraphs), named)
