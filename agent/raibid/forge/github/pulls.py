"""GitHub's part of `raibid.forge.pulls`.

Owns: its paths and answers.
Leaves to others: HTTP (`forge/session.py`), opening (`forge/pulls.py`).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from raibid.forge.alike import home
from raibid.forge.pulls import PullRef
from raibid.forge.session import Session


class _Permissions(msgspec.Struct, frozen=True):
    push: bool = False


class _Repository(msgspec.Struct, frozen=True):
    permissions: _Permissions | None = None


class _Branch(msgspec.Struct, frozen=True):
    protected: bool
    """By a protection rule or a ruleset."""


class _Listed(msgspec.Struct, frozen=True):
    number: int
    html_url: str
    merged_at: str | None = None


class GithubPulls:
    """Pull requests of a GitHub."""

    def __init__(self, session: Session) -> None:
        self.session: Final = session

    def takes_push(self, repository: str, branch: str) -> bool:
        """As the protocol says.

        No, of every branch that is protected at all: whom a rule lets pass GitHub tells to administrators alone, and
        those it lets pass in silence.
        """
        permissions = self.session.get(home(repository), _Repository).permissions
        if permissions is not None and not permissions.push:
            return False
        path = f"{home(repository)}/branches/{quote(branch, safe='')}"
        return not self.session.get(path, _Branch).protected

    def find(self, repository: str, *, head: str, base: str) -> PullRef | None:
        """As the protocol says."""
        found = self._listed(repository, "open", head, base)
        return PullRef(found[0].number, found[0].html_url) if found else None

    def closed(self, repository: str, *, head: str, base: str) -> PullRef | None:
        """As the protocol says."""
        unmerged = (pull for pull in self._listed(repository, "closed", head, base) if not pull.merged_at)
        return next((PullRef(pull.number, pull.html_url) for pull in unmerged), None)

    def _listed(self, repository: str, state: str, head: str, base: str) -> list[_Listed]:
        query = urlencode({"state": state, "head": f"{repository.partition('/')[0]}:{head}", "base": base})
        return self.session.get(f"{home(repository)}/pulls?{query}", list[_Listed])
