"""Gitea's API, as far as the pool uses it: one method per call.

Owns: paths, bodies, answers, and where Gitea's answers mislead.
Leaves to others: HTTP and its failures (`session.py`), webhooks (`webhook.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import msgspec

from raibid.forge.commit_status import CommitStatus
from raibid.forge.credentials import login_for
from raibid.forge.errors import ForgeFaultError
from raibid.forge.session import Session


class ShownStatus(msgspec.Struct, frozen=True):
    """A commit status as Gitea has it."""

    id: int
    state: str = msgspec.field(name="status")  # `state` is only in what is sent
    context: str
    description: str
    target_url: str


class _Commit(msgspec.Struct, frozen=True):
    sha: str


class GiteaClient:
    """A Gitea as one user. A context manager, because it holds connections."""

    def __init__(self, session: Session) -> None:
        self._session: Final = session

    @classmethod
    def connect(cls, url: str, credentials: Path, *, tries: int = 2) -> Self:
        """The Gitea at `url`, with the credentials the file has for it; opens no connection yet.

        `tries`: how often a call that may be repeated is, within about a second.

        Raises:
            ForgeLoginError: the file has none.
        """
        return cls(Session(f"{url.rstrip('/')}/api/v1", login_for(url, credentials), tries=tries))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def set_status(self, repository: str, sha: str, status: CommitStatus) -> ShownStatus:
        """Set the commit's status of that context. Again is harmless: the last one counts.

        Raises:
            ForgeNotFoundError: no such repository, or no such commit in it. CallError: the others.
        """
        home = f"/repos/{quote(repository)}"
        try:
            return self._session.call("POST", f"{home}/statuses/{sha}", ShownStatus, msgspec.to_builtins(status))
        except ForgeFaultError:
            # Gitea 1.26 says 500 of a commit that a forced push removed (routers/api/v1/repo/status.go).
            self._session.call("GET", f"{home}/git/commits/{sha}?stat=false&verification=false&files=false", _Commit)
            raise
