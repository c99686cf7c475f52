"""Commits of a branch as the rollback reads them: which touched these files, which are rollbacks themselves.

Owns: reading git's log; that what a message holds cannot pose as anything but a message.
Leaves to others: when a rollback was (`past.py`), what follows from it (`decide.py`, `revert.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from raibid.git.errors import GitError
from raibid.gitops.change import trailers
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.message import trailers_of
from raibid.gitops.revisions import full_shas

_FIELDS: Final = ("%H", "%P", "%ct", "%an", "%B")
# A NUL is the one character that git passes on from no name, path or message.
_FORMAT: Final = f"--format=%x00{'%x00'.join(_FIELDS)}%x00"
# `--raw`: each path comes after a field that begins with a colon, so that none of them is taken for a commit.
_NAMES: Final = ("--raw", "--no-renames", "--no-ext-diff", "--no-textconv", "--diff-merges=first-parent")
_PAGE: Final = 500
"""Commits that are read at a time in search of one. Paths are compared here: `git log` takes them as arguments alone,
and 16,000 are more than Linux starts a process with."""
_LATEST: Final = 253402300799
"""The end of the year 9999, where `datetime` ends."""
_DIGITS: Final = len(str(_LATEST)) + 1


@dataclass(frozen=True)
class Commit:
    """One commit."""

    sha: str
    at: datetime
    author: str
    message: str
    files: tuple[str, ...] = ()
    """What it changed in the branch; of a merge, all that it brought."""
    parents: tuple[str, ...] = ()
    """As far as the clone goes: none at its edge."""

    @property
    def subject(self) -> str:
        """Its first line."""
        return self.message.strip().split("\n", 1)[0]

    @property
    def takes_back_for(self) -> tuple[str, ...]:
        """The appliers, as `namespace/name`, on whose behalf it takes commits back."""
        return trailers_of(self.message).get(trailers.ROLLBACK, ())

    @property
    def takes_back(self) -> tuple[str, ...]:
        """The commits that it says it takes back; what is no whole commit id is none, for anybody may write it."""
        return full_shas(trailers_of(self.message).get(trailers.REVERTS, ()))

    @property
    def known_good(self) -> str:
        """The commit that it says it goes back to; empty: none."""
        return next(iter(full_shas(trailers_of(self.message).get(trailers.KNOWN_GOOD, ()))), "")


def touching(checkout: Checkout, good: str, bad: str, paths: Collection[str]) -> list[Commit]:
    """Commits after `good`, up to `bad`, that changed one of these paths; newest first.

    Only what became the branch's newest commit: a merge is one change, whatever it brought.
    """
    wanted = frozenset(paths)
    found = read(checkout, "--first-parent", span=f"{good}..{bad}", names=True)
    return [commit for commit in found if not wanted.isdisjoint(commit.files)]


def takes_back_for(checkout: Checkout, commit: Commit) -> tuple[str, ...]:
    """The appliers on whose behalf a commit, or anything that it merged, takes commits back."""
    # Who merges a pull request writes another message than who made its commit.
    merged = len(commit.parents) > 1
    brought = read(checkout, span=f"{commit.parents[0]}..{commit.sha}") if merged else [commit]
    return tuple(dict.fromkeys(name for commit in brought for name in commit.takes_back_for))


def newest(checkout: Checkout, count: int, *, names: bool = False) -> list[Commit]:
    """The branch's newest commits, as far as the clone goes; newest first. `names`: each with what it changed."""
    return read(checkout, "--first-parent", f"--max-count={count}", span=checkout.head, names=names)


def history(checkout: Checkout, *, moment: datetime | None, limit: int) -> list[Commit]:
    """The branch's newest commits, each with what it changed; newest first. `moment`: no older ones."""
    # Not git's `--since`: it ends at the first commit whose clock was behind, whatever lies below.
    return [commit for commit in newest(checkout, limit, names=True) if moment is None or commit.at >= moment]


def before_change(checkout: Checkout, commit: str, paths: Collection[str]) -> str:
    """The commit before the newest one, up to `commit`, that changed these files; empty if it was the first of all."""
    wanted, skip = frozenset(paths), 0
    # At the edge of a shallow clone all files look new, so the edge must lie below the change.
    while True:
        checkout.reach_back(skip + _PAGE + 1, commit)
        count = (f"--max-count={_PAGE}", f"--skip={skip}")
        page = read(checkout, "--first-parent", *count, span=commit, names=True)
        for changed in page:
            if not wanted.isdisjoint(changed.files) and not _is_edge(checkout, changed):
                return next(iter(changed.parents), "")
        if len(page) < _PAGE:
            return ""
        skip += _PAGE


def parents_said(checkout: Checkout, sha: str) -> list[str]:
    """A commit's parents as it says itself: at the edge of a shallow clone git knows of none."""
    raw = checkout.git("cat-file", "commit", sha).split("\n\n", 1)[0]
    return [line.split()[1] for line in raw.splitlines() if line.startswith("parent ")]


def _is_edge(checkout: Checkout, commit: Commit) -> bool:
    return not commit.parents and bool(parents_said(checkout, commit.sha))


def read(checkout: Checkout, *how: str, span: str, names: bool = False) -> list[Commit]:
    """Git's log of a commit or a range, by options of `git log`.

    Raises:
        GitError: it failed, or answered what is no log.
    """
    options = ("-z", "--no-color", "--no-show-signature", _FORMAT, *(_NAMES if names else ("--no-patch",)))
    printed = iter(checkout.git("log", *options, *how, "--end-of-options", span, "--").split("\0"))
    return list(_parsed(printed))


def _parsed(printed: Iterator[str]) -> Iterator[Commit]:
    field = next(printed, None)
    while field is not None:
        if not field.strip("\n"):
            field = next(printed, None)
            continue
        sha, (parents, at, author, message) = field, (next(printed, "") for _ in _FIELDS[1:])
        if full_shas((sha,)) != (sha,):
            raise GitError("git log answered what is no commit")
        files = []
        field = next(printed, None)
        while field is not None and (field.lstrip("\n").startswith(":") or not field.strip("\n")):
            if field.strip("\n"):
                files.append(next(printed, ""))
            field = next(printed, None)
        yield Commit(sha, _moment(at), author, message, tuple(files), tuple(parents.split()))


def _moment(seconds: str) -> datetime:
    # A commit's date is whatever its author's clock, or mind, made it; of one that is no date, git prints none.
    said = int(seconds[:_DIGITS]) if seconds.removeprefix("-").isdecimal() else 0
    return datetime.fromtimestamp(min(max(said, 0), _LATEST), UTC)
