"""What Gitea answers: only the fields the pool needs are decoded, unknown ones are skipped unread.

Owns: the shapes.
Leaves to others: what GitHub answers alike (`forge/alike.py`), asking (`client.py` and its neighbours), webhooks'
payloads (`push_payload.py`).
"""

from __future__ import annotations

import msgspec

from raibid.forge.alike import ChangedFile, GitCommit
from raibid.forge.forge import RepositoryInfo


class Organisation(msgspec.Struct, frozen=True):
    """An organisation, which Gitea's user list has as well."""

    id: int


class ShownStatus(msgspec.Struct, frozen=True):
    """A commit status as Gitea has it."""

    id: int
    state: str = msgspec.field(name="status")  # `state` is only in what is sent
    context: str
    description: str
    target_url: str


class Found(msgspec.Struct, frozen=True):
    """A page of a search."""

    data: list[RepositoryInfo]


class BranchCommit(msgspec.Struct, frozen=True):
    """A branch's commit."""

    id: str


class Branch(msgspec.Struct, frozen=True):
    """A branch."""

    name: str
    commit: BranchCommit


class Commit(msgspec.Struct, frozen=True):
    """A commit."""

    sha: str
    commit: GitCommit = GitCommit()
    files: list[ChangedFile] | None = None


class Compared(msgspec.Struct, frozen=True):
    """What lies between two commits, the newest first."""

    commits: list[Commit] | None = None
