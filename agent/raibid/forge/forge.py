"""What the pool asks of a forge, whichever it is: one protocol, typed answers.

Owns: the questions and the answers' shapes.
Leaves to others: how Gitea (`gitea/client.py`) and GitHub (`github/client.py`) answer them, what only one of them is
asked (the mirrors' calls: their own methods), when they are asked (`raibid.api`).

Every method raises CallError (`errors.py`); what is not there is ForgeNotFoundError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from raibid.forge.commit_status import CommitStatus
from raibid.model.pull_request_event import PullRequestEvent


class RepositoryInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as a forge lists it."""

    full_name: str  #: owner/name as the forge spells it now; another than asked for: it was renamed
    clone_url: str  #: without credentials
    default_branch: str = ""
    description: str = ""
    private: bool = False
    archived: bool = False
    fork: bool = False
    mirror: bool = False
    empty: bool = False


class Head(msgspec.Struct, frozen=True):
    """A branch and the commit it points to."""

    branch: str
    sha: str


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a push or a pull request really changes."""

    files: tuple[str, ...] | None = None  #: None: more than the forge lists
    message: str = ""  #: the head commit's whole message


class Forge(Protocol):
    """One forge as one user. A context manager, because it holds connections. Not for several threads at once."""

    def set_status(self, repository: str, sha: str, status: CommitStatus) -> object:
        """Show a commit status; again is harmless."""

    def upsert_comment(
        self, repository: str, number: int, marker: str, body: str, *, rewrite_only: bool = False
    ) -> None:
        """Write, or rewrite, our one comment at a pull request: the one whose text holds `marker`.

        `marker`: an HTML comment; `body` without it. An unchanged text writes nothing. `rewrite_only`: where there is
        no comment of ours yet, none is written.
        """

    def repository(self, repository: str) -> RepositoryInfo:
        """A repository; follows a renaming (`full_name` then differs)."""

    def repositories(self, owner: str = "") -> Iterator[RepositoryInfo]:
        """All repositories of an owner (organisation or user), or all that our user may read; page by page."""

    def heads(self, repository: str) -> Sequence[Head]:
        """All branches with their commits; none of an empty repository."""

    def pulls(self, repository: str) -> Sequence[PullRequestEvent]:
        """All open pull requests, as their webhook would have told them (without a `sender`)."""

    def changes(self, repository: str, before: str, after: str) -> Changes:
        """What differs between two commits, also what was undone on the way; the message of `after`.

        `before` may be a branch. All zeros: there is nothing to compare with, so only the message is told.
        """

    def pull_changes(self, repository: str, number: int, sha: str) -> Changes:
        """What a pull request changes against its base; the message of `sha`, its head."""

    def may_write(self, repository: str, user: str) -> bool:
        """Whether a user may push to a repository. False, too, for an unknown user."""

    def approvers(self, repository: str, number: int, sha: str) -> Sequence[str]:
        """Users who may push, and whose last review of a pull request approves exactly this commit."""
