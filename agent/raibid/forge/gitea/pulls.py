"""Gitea's part of `raibid.forge.pulls`.

Owns: its paths and answers.
Leaves to others: HTTP (`forge/session.py`), opening (`forge/pulls.py`).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from raibid.forge.alike import home
from raibid.forge.errors import ForgeNotFoundError
from raibid.forge.pulls import PullRef
from raibid.forge.session import Session

_PAGE: Final = 50


class _Branch(msgspec.Struct, frozen=True):
    user_can_push: bool
    """With every protection that is set for the branch (services/convert/convert.go, ToBranch)."""


class _Repository(msgspec.Struct, frozen=True):
    full_name: str


class _Side(msgspec.Struct, frozen=True):
    ref: str
    repo: _Repository | None = None


class _Listed(msgspec.Struct, frozen=True):
    number: int
    html_url: str
    head: _Side
    base: _Side


class _Found(msgspec.Struct, frozen=True):
    number: int
    html_url: str
    state: str
    merged: bool = False


class GiteaPulls:
    """Pull requests of a Gitea."""

    def __init__(self, session: Session) -> None:
        self.session: Final = session

    def takes_push(self, repository: str, branch: str) -> bool:
        """As the protocol says."""
        path = f"{home(repository)}/branches/{quote(branch, safe='')}"
        return self.session.get(path, _Branch).user_can_push

    def find(self, repository: str, *, head: str, base: str) -> PullRef | None:
        """As the protocol says. Gitea's `pulls/{base}/{head}` also finds one that was closed; its list does not."""
        path = f"{home(repository)}/pulls?state=open&limit={_PAGE}"
        for page in self.session.pages(path, list[_Listed]):
            for pull in page:
                ours = pull.head.repo is not None and pull.base.repo == pull.head.repo
                if ours and (pull.head.ref, pull.base.ref) == (head, base):
                    return PullRef(pull.number, pull.html_url)
        return None

    def closed(self, repository: str, *, head: str, base: str) -> PullRef | None:
        """As the protocol says; the oldest one that there is, for `pulls/{base}/{head}` gives one of any state."""
        try:
            found = self.session.get(f"{home(repository)}/pulls/{quote(base, safe='')}/{quote(head)}", _Found)
        except ForgeNotFoundError:
            return None
        return PullRef(found.number, found.html_url) if found.state == "closed" and not found.merged else None
