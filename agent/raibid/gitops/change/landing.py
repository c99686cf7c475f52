"""A commit onto a branch that others push to as well.

Owns: when a push is tried again; that ours is on the branch once, and nobody's is lost.
Leaves to others: making the commit (who calls), whether it is pushed at all or proposed (`policy.py`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from raibid.git.errors import GitError, StoppedError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.errors import PushRacedError

Make = Callable[[Checkout], str | None]
"""Writes and commits on the newest state; the commit, or None: there is nothing to change."""

_ENDING: Final = "we are ending, and nobody knows whether the commit went in"
_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


@dataclass(frozen=True)
class Landed:
    """Where our commit is."""

    sha: str
    branch: str
    pull: int = 0
    """The pull request that brings it; 0: it is on the branch itself, or nobody could open one."""
    url: str = ""
    """The pull request's page, or where it is opened by hand."""
    declined: bool = False
    """Somebody closed that pull request: nothing was pushed."""


def land(checkout: Checkout, make: Make, *, tries: int = 8) -> Landed | None:
    """Make the commit on the branch's newest state and push it; when somebody was quicker, again on top of theirs.

    None: there was nothing to change, perhaps because somebody else has just done the same.

    Raises:
        PushRacedError: others were quicker `tries` times. PushRefusedError. GitError; and what `make` raises.
    """
    checkout.reset()
    for attempt in range(1, tries + 1):
        sha = make(checkout)
        if sha is None:
            return None
        try:
            checkout.push()
        except (PushRacedError, GitError) as error:
            if checkout.runner.stop.is_set():
                raise StoppedError(_ENDING) from error
            # The answer may have been lost and not the push, and curl pushes again by itself: that one is late.
            checkout.catch_up()
            if not checkout.reaches(sha):
                if attempt == tries or not isinstance(error, PushRacedError):
                    raise
                _pause(checkout, attempt)
                continue
        return Landed(sha, checkout.branch)
    raise ValueError(f"land: tries must be at least 1, not {tries}")


def _pause(checkout: Checkout, attempt: int) -> None:
    """Those who met once must not meet again."""
    longest = min(_LONGEST_PAUSE, _PAUSE * 2**attempt)
    if checkout.runner.stop.wait(random.uniform(0, longest)):  # noqa: S311 - no secret
        raise StoppedError(_ENDING)
