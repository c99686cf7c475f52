"""A repository that does not answer is asked again, a while later.

Owns: one note per error, the pauses; None for whoever asks in between.
Leaves to others: the questions (`lineage.py`), what no answer means (`revisions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from raibid.git.errors import GitError
from raibid.gitops.errors import GitopsError
from raibid.gitops.watch.reverts import Revert, Reverts
from raibid.gitops.watch.revisions import Contains

_Answer = TypeVar("_Answer")
_PAUSES: Final = (2.0, 5.0, 15.0, 60.0)
"""Seconds until it is asked again, the more the more often it did not answer."""


@dataclass(kw_only=True)
class Patient:
    """`contains` and `reverts` that never raise."""

    asked: Contains
    asked_reverts: Reverts
    clock: Callable[[], float]
    note: Callable[[str], None]
    again: float | None = None
    """When it is asked again, by the clock; None: it answered."""
    _failures: int = 0

    def contains(self, ancestor: str, descendant: str) -> bool | None:
        """As `revisions.Contains`."""
        return self._answer(lambda: self.asked(ancestor, descendant))

    def reverts(self, commit: str, revision: str) -> Sequence[Revert] | None:
        """As `reverts.Reverts`."""
        return self._answer(lambda: self.asked_reverts(commit, revision))

    def _answer(self, question: Callable[[], _Answer]) -> _Answer | None:
        if self.again is not None and self.clock() < self.again:
            return None
        try:
            answer = question()
        except (GitError, GitopsError) as error:
            pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
            self._failures, self.again = self._failures + 1, self.clock() + pause
            self.note(f"the repository did not say which commit contains which: {error}")
            return None
        self._failures, self.again = 0, None
        return answer
