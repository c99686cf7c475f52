"""What GitHub answers: only the fields the pool needs are decoded, unknown ones are skipped unread.

Owns: the shapes.
Leaves to others: what Gitea answers alike (`forge/alike.py`), asking (`client.py`, `hooks.py`, `app.py`), webhooks'
payloads (`push_payload.py`).
"""

from __future__ import annotations

import msgspec

from raibid.forge.alike import ChangedFile
from raibid.forge.forge import RepositoryInfo


class Account(msgspec.Struct, frozen=True):
    """A user or an organisation."""

    type: str


class ShownStatus(msgspec.Struct, frozen=True):
    """A commit status as GitHub has it."""

    id: int
    state: str
    context: str


class Repository(msgspec.Struct, frozen=True):
    """A repository."""

    full_name: str
    clone_url: str
    default_branch: str = ""
    description: str | None = ""
    private: bool = False
    archived: bool = False
    fork: bool = False
    mirror_url: str | None = None

    def info(self) -> RepositoryInfo:
        """As both forges' are told. GitHub does not say whether it is empty."""
        return RepositoryInfo(
            full_name=self.full_name,
            clone_url=self.clone_url,
            default_branch=self.default_branch,
            description=self.description or "",
            private=self.private,
            archived=self.archived,
            fork=self.fork,
            mirror=bool(self.mirror_url),
        )


class OfInstallation(msgspec.Struct, frozen=True):
    """A page of the repositories that an App's installation reaches."""

    repositories: list[Repository]


class BranchCommit(msgspec.Struct, frozen=True):
    """A branch's commit."""

    sha: str


class Branch(msgspec.Struct, frozen=True):
    """A branch."""

    name: str
    commit: BranchCommit


class Compared(msgspec.Struct, frozen=True):
    """What lies between two commits. `status`: ahead, behind, diverged or identical."""

    status: str
    files: list[ChangedFile] | None = None


class InstallationToken(msgspec.Struct, frozen=True):
    """What an App acts with, for an hour."""

    token: str
    expires_at: str


class AppInfo(msgspec.Struct, frozen=True):
    """An App."""

    slug: str
