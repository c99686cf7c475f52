"""The rollbacks of a branch's past, and when the branch got each of them: what the loop guard counts by.

Owns: that no clock hides a rollback; that one which a merge brought counts from the merge.
Leaves to others: what follows from it (`decide.py`), how far the reverts are (`standing.py`).

A date is what somebody's clock said, so none of them ends the search, as it would git's own `--since`: the newest
commits of the branch are looked at, whatever they say. And a rollback was made after what lies below it: if its own
date is older than theirs, theirs counts; but never one of the future, or a single wrong clock would stop every rollback
from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from raibid.gitops.change import trailers
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.rollback.commits import Commit, newest, read

NEWEST: Final = 500
"""Commits of the branch among which rollbacks are looked for: one every 7 seconds of an hour."""
_TRAILER: Final = f"^{trailers.ROLLBACK}[[:blank:]]*:"


@dataclass(frozen=True)
class Taken:
    """A commit that takes others back, in the branch."""

    commit: Commit
    at: datetime
    """When the branch got it: not before what lies below it, whatever its own clock said."""

    def about(self, applier: str) -> bool:
        """Whether it was made on behalf of an applier, as `namespace/name`."""
        return applier in self.commit.takes_back_for


def taken_back(checkout: Checkout, *, after: datetime, now: datetime) -> list[Taken]:
    """The rollbacks of the branch after a moment, newest first. Raises GitError."""
    checkout.reach_back(NEWEST)
    line = newest(checkout, NEWEST)
    times = _times(line, now)
    # All that the line reaches; if there is more below it, only what is not in there.
    span = checkout.head if len(line) < NEWEST else f"{line[-1].sha}..{checkout.head}"
    how = ("--topo-order", "--regexp-ignore-case", "--extended-regexp", f"--grep={_TRAILER}")
    found = [
        Taken(commit, times.get(commit.sha) or _brought(checkout, commit, line, times))
        for commit in read(checkout, *how, span=span)
        if commit.takes_back_for
    ]
    return [taken for taken in found if taken.at > after]


def _times(line: Sequence[Commit], now: datetime) -> dict[str, datetime]:
    """When the branch got each commit, at the earliest."""
    times: dict[str, datetime] = {}
    below: datetime | None = None
    for commit in reversed(line):
        times[commit.sha] = max(commit.at, below) if below else commit.at
        if commit.at <= now:
            below = max(commit.at, below) if below else commit.at
    return times


def _brought(checkout: Checkout, commit: Commit, line: Sequence[Commit], times: dict[str, datetime]) -> datetime:
    """When a merge brought a commit that was made beside the branch."""
    above = read(checkout, "--ancestry-path", span=f"{commit.sha}..{checkout.head}")
    merged = {one.sha for one in above} & times.keys()
    merge = next((one.sha for one in reversed(line) if one.sha in merged), "")
    return max(times[merge], commit.at) if merge else commit.at
