"""Which commit contains which, asked of a repository that is cloned only when somebody asks.

Owns: the clone of one branch for as long as a watch takes.
Leaves to others: cloning and comparing (`raibid.gitops.change.checkout`), what no repository means (`revisions.py`).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from raibid.git.cli import Git
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.owner.ownership import Place
from raibid.gitops.settings import GitopsSettings


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
            self._directory = tempfile.TemporaryDirectory(prefix="raibid-watch-")
            into = Path(self._directory.name) / "branch"
            self._checkout = Checkout.open(url, self.place.branch or "HEAD", into, self.git)
        return self._checkout
