"""GitHub's API, as far as the pool uses it: one method per call.

Owns: paths, bodies, answers, and where GitHub's answers mislead.
Leaves to others: HTTP and its failures (`session.py`), webhooks (`webhook.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import msgspec

from raibid.forge.commit_status import CommitStatus
from raibid.forge.credentials import login_for
from raibid.forge.session import Session


class GithubClient:
    """GitHub as one user. A context manager, because it holds connections."""

    def __init__(self, session: Session) -> None:
        self._session: Final = session

    @classmethod
    def connect(cls, url: str, credentials: Path, *, tries: int = 2) -> Self:
        """The GitHub whose API is at `url`, with the credentials the file has for it; opens no connection yet.

        Raises:
            ForgeLoginError: the file has none.
        """
        return cls(Session(url, login_for(url, credentials), tries=tries))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def set_status(self, repository: str, sha: str, status: CommitStatus) -> object:
        """Set the commit's status of that context. Again is harmless: the last one counts."""
        return self._session.call(
            "POST", f"/repos/{quote(repository)}/statuses/{sha}", dict[str, object], msgspec.to_builtins(status)
        )
