"""What both forges' APIs have alike: a repository's path, some answers, who may write.

Owns: these, once.
Leaves to others: what only one of them has (`gitea/`, `github/`), HTTP (`session.py`).
"""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import quote

import msgspec

from raibid.forge.errors import ForgeNotFoundError
from raibid.forge.session import Session


class User(msgspec.Struct, frozen=True):
    """A user."""

    login: str


class GitCommit(msgspec.Struct, frozen=True):
    """What git has of a commit."""

    message: str = ""


class ChangedFile(msgspec.Struct, frozen=True):
    """A file that was changed. Gitea lists both names of a renaming in a commit, and one file in a pull request."""

    filename: str
    previous_filename: str = ""

    def names(self) -> tuple[str, ...]:
        """The name, and of a renaming the one before."""
        return (self.filename, self.previous_filename) if self.previous_filename else (self.filename,)


class _Permission(msgspec.Struct, frozen=True):
    permission: str


class _Named(msgspec.Struct, frozen=True):
    full_name: str


def home(repository: str) -> str:
    """Where `owner/name` is in the API."""
    return f"/repos/{quote(repository)}"


def may_write(session: Session, repository: str, user: str, writers: Container[str]) -> bool:
    """Whether a user has one of these permissions.

    Raises:
        CallError: it is not known, perhaps because our user may not ask.
    """
    if not user:
        return False
    try:
        path = f"{home(repository)}/collaborators/{quote(user, safe='')}/permission"
        return session.get(path, _Permission).permission in writers
    except ForgeNotFoundError:
        session.get(home(repository), _Named)  # it is the user that is not there
        return False
