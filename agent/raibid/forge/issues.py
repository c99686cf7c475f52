"""Our issues at a repository: the one that bears a marker, opened, rewritten, closed; both forges' API is the same.

Owns: the questions (`Issues`), finding ours, writing it once.
Leaves to others: how a forge lists issues (`gitea/issues.py`, `github/issues.py`), what they say (who asks).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from raibid.forge.alike import User, home
from raibid.forge.our_comment import text_of
from raibid.forge.session import Session

_LONGEST_TITLE: Final = 250
"""Gitea's column takes 255 characters, GitHub 256."""
_LONGEST_BODY: Final = 60_000
"""GitHub takes 65,536 characters."""


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue as both forges list it."""

    number: int
    title: str = ""
    body: str | None = ""
    state: str = "open"
    html_url: str = ""
    user: User | None = None
    pull_request: object = None  #: GitHub lists pull requests among the issues

    @property
    def text(self) -> str:
        """As it was sent: a forge may have changed the ends of lines."""
        return (self.body or "").replace("\r\n", "\n").strip()

    @property
    def open(self) -> bool:
        """Whether it is."""
        return self.state == "open"


class Issues(Protocol):
    """Issues of a forge as one user. Every method raises CallError."""

    def find(self, repository: str, marker: str) -> Issue | None:
        """Our newest issue that begins with the marker, open or closed."""

    def write(self, repository: str, marker: str, title: str, body: str, *, closed: bool = False) -> Issue:
        """Open the issue, or rewrite it; an unchanged one is left alone.

        `marker`: an HTML comment; `body` without it. A closed one stays closed: somebody was done with it.
        """


class MarkedIssues:
    """`Issues` over a forge's session. `listed`: the query that lists all issues of a user, of any state."""

    def __init__(self, session: Session, login: Callable[[], str], listed: Callable[[str], str]) -> None:
        self._session = session
        self._login = login
        self._listed = listed

    def find(self, repository: str, marker: str) -> Issue | None:
        """As the protocol says."""
        us = self._login()
        for page in self._session.pages(f"{home(repository)}/issues?{self._listed(us)}", list[Issue]):
            for issue in page:
                # Whoever reads our marker can write it, too.
                ours = issue.user is not None and issue.user.login.lower() == us.lower()
                if ours and issue.pull_request is None and issue.text.startswith(marker):
                    return issue
        return None

    def write(self, repository: str, marker: str, title: str, body: str, *, closed: bool = False) -> Issue:
        """As the protocol says."""
        title, text = title[:_LONGEST_TITLE], text_of(marker, body[:_LONGEST_BODY])
        path, found = f"{home(repository)}/issues", self.find(repository, marker)
        if found is None:
            found = self._session.call("POST", path, Issue, {"title": title, "body": text})
        changes: dict[str, Any] = {
            **({"title": title} if found.title != title else {}),
            **({"body": text} if found.text != text else {}),
            **({"state": "closed"} if closed and found.open else {}),
        }
        return self._session.call("PATCH", f"{path}/{found.number}", Issue, changes) if changes else found
