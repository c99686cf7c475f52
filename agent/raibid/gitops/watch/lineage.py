"""Which commit contains which, and which takes which back, asked of a repository that is cloned when somebody asks.

Owns: the clone of one branch for as long as a watch takes; reading a line of commits.
Leaves to others: cloning and comparing (`raibid.gitops.change.checkout`), what a revert is (`reverts.py`), what no
repository means (`revisions.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from raibid.git.cli import Git
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.owner.ownership import Place
from raibid.gitops.settings import GitopsSettings
from raibid.gitops.watch.reverts import Change, Revert, Reverts, reverts_of

_FORMAT: Final = "--format=%H%x00%P%x00%B%x00"
"""A NUL is the one character that no message holds."""


def reverts_in(checkout: Checkout) -> Reverts:
    """A `Reverts` of a branch that is cloned."""
    return lambda commit, revision: _reverts(checkout, commit, revision)


def _reverts(checkout: Checkout, commit: str, revision: str) -> Sequence[Revert]:
    if not checkout.contains(commit, revision):  # which also fetches as much of the past as that needs
        return ()
    log = checkout.git("log", "--no-color", "--topo-order", "--ancestry-path", _FORMAT, f"{commit}..{revision}")
    fields = log.split("\0")[:-1]
    entries = zip(fields[::3], fields[1::3], fields[2::3], strict=True)
    return reverts_of(commit, [Change(sha.strip(), tuple(parents.split()), text) for sha, parents, text in entries])


@dataclass
class Lineage:
    """A branch's commits. A context manager: the clone is gone afterwards."""

    place: Place | None
    settings: GitopsSettings
    git: Git
    _directory: tempfile.TemporaryDirectory[str] | None = None
    _checkout: Checkout | None = field(default=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._directory is not None:
            self._directory.cleanup()

    def contains(self, ancestor: str, descendant: str) -> bool | None:
        """As `Checkout.contains`; None without a place.

        Raises:
            GitError, GitopsError: the repository cannot be read.
        """
        checkout = self._opened()
        return checkout.contains(ancestor, descendant) if checkout else None

    def reverts(self, commit: str, revision: str) -> Sequence[Revert]:
        """Those that take the commit back, up to the revision; none without a place.

        Raises:
            GitError, GitopsError: as `contains`.
        """
        checkout = self._opened()
        return _reverts(checkout, commit, revision) if checkout else ()

    def newest(self) -> str:
        """The branch's newest commit; empty without a place.

        Raises:
            GitError, GitopsError: as `contains`.
        """
        checkout = self._opened()
        return checkout.head if checkout else ""

    def _opened(self) -> Checkout | None:
        if self._checkout is None and self.place is not None:
            url = self.settings.reachable(self.place.repository)
            if self._directory is None:
                self._directory = tempfile.TemporaryDirectory(prefix="raibid-watch-")
            # One that failed half-way is not cloned into again.
            into = Path(tempfile.mkdtemp(dir=self._directory.name))
            self._checkout = Checkout.open(url, self.place.branch or "HEAD", into, self.git)
        return self._checkout
