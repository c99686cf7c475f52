"""Commits of a branch as the rollback reads them: which touched these files, which are rollbacks themselves.

Owns: reading git's log; that the log goes back far enough.
Leaves to others: what follows from it (`decide.py`, `revert.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from raibid.gitops.change import trailers
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.message import trailers_of

_FORMAT: Final = "--format=%x1e%H%x1f%ct%x1f%an%x1f%B%x1f"
_DEEPER: Final = 20
"""Times that more of the past is fetched in search of an hour: 50 commits each time, and then many."""


@dataclass(frozen=True)
class Commit:
    """One commit."""

    sha: str
    at: datetime
    author: str
    message: str
    files: tuple[str, ...] = ()
    """What it changed in the branch; only in `history`."""

    @property
    def subject(self) -> str:
        """Its first line."""
        return self.message.strip().split("\n", 1)[0]

    @property
    def takes_back_for(self) -> tuple[str, ...]:
        """The appliers, as `namespace/name`, on whose behalf it takes commits back."""
        return trailers_of(self.message).get(trailers.ROLLBACK, ())


def touching(checkout: Checkout, good: str, bad: str, paths: Iterable[str]) -> list[Commit]:
    """Commits after `good`, up to `bad`, that changed one of these paths; newest first.

    Only what became the branch's newest commit: a merge is one change, whatever it brought.
    """
    return _log(checkout, "--first-parent", f"{good}..{bad}", paths=paths)


def since(checkout: Checkout, moment: datetime) -> list[Commit]:
    """Commits of the branch after a moment, by their committers' clocks."""
    _reach_back(checkout, moment)
    return _log(checkout, f"--since={moment.isoformat()}", checkout.head)


def history(checkout: Checkout, *, moment: datetime | None, limit: int) -> list[Commit]:
    """The branch's newest commits, each with what it changed; newest first. `moment`: no older ones."""
    if moment:
        _reach_back(checkout, moment)
    names = ("--first-parent", "--name-only", "-z", "--no-renames", "--diff-merges=first-parent")
    after = (f"--since={moment.isoformat()}",) if moment else ()
    return _log(checkout, *names, *after, f"--max-count={limit}", checkout.head)


def before_change(checkout: Checkout, commit: str, paths: Iterable[str]) -> str:
    """The commit before the newest one, up to `commit`, that changed these files; empty if it was the first of all."""
    # More of the past is fetched than the change itself needs: at the edge of a shallow clone all files look new.
    _reach_back(checkout, datetime.fromtimestamp(0, UTC))
    changed = _log(checkout, "--first-parent", "--max-count=1", commit, paths=paths)
    return checkout.attempt("rev-parse", "--quiet", "--verify", f"{changed[0].sha}^1").out.strip() if changed else ""


def changed_by(checkout: Checkout, sha: str) -> list[str]:
    """Every path that a commit changed; of a merge, what it changed in the branch."""
    how = ("--format=", "--name-only", "-z", "--no-renames", "--diff-merges=first-parent", "--max-count=1")
    return [path for path in checkout.git("log", *how, sha).split("\0") if path.strip("\n")]


def _log(checkout: Checkout, *arguments: str, paths: Iterable[str] | None = None) -> list[Commit]:
    command = ["log", "--no-color", _FORMAT, *arguments]
    if paths is not None:
        command += ["--", *(f":(literal){path}" for path in paths)]
    found = []
    for entry in checkout.git(*command).split("\x1e")[1:]:
        sha, at, author, message, names = [*entry.split("\x1f", 4), "", "", "", ""][:5]
        if at.lstrip("-").isdigit():
            files = tuple(path for path in names.strip("\n").split("\0") if path.strip("\n"))
            found.append(Commit(sha, _moment(int(at)), author, message, tuple(path.strip("\n") for path in files)))
    return found


def _moment(seconds: int) -> datetime:
    # A commit's date is whatever its author's clock, or mind, made it.
    return datetime.fromtimestamp(min(max(seconds, 0), 253402300799), UTC)


def _reach_back(checkout: Checkout, moment: datetime) -> None:
    """Have every commit since a moment; in a shallow clone the oldest ones we have look like the first ones."""
    for _ in range(_DEEPER):
        missing = []
        for edge in _log(checkout, "--max-parents=0", checkout.head):
            if edge.at >= moment - timedelta(minutes=1):
                raw = checkout.git("cat-file", "commit", edge.sha).split("\n\n", 1)[0]
                missing += [line.split()[1] for line in raw.splitlines() if line.startswith("parent ")]
        if not missing:
            return
        checkout.deepen(*missing)
