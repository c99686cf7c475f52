"""A forge's news about a pull request, parsed once at the edge.

Owns: the event's shape, whose code it brings.
Leaves to others: payload formats (`raibid.forge`), the decision what is built (`raibid.forge.intake`).
"""

from __future__ import annotations

import msgspec


def pull_ref(number: int) -> str:
    """Where the base repository has a pull request's head; both forges name it so."""
    return f"refs/pull/{number}/head"


def pull_number(ref: str) -> int:
    """The number of the pull request whose head a ref is; 0: it is none."""
    number = ref.removeprefix("refs/pull/").removesuffix("/head")
    return int(number) if ref == f"refs/pull/{number}/head" and number.isascii() and number.isdigit() else 0


class PullRequestEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request whose head is new to the forge, or was opened again."""

    forge: str  #: gitea or github
    repo: str  #: owner/name it wants to go into: the base repository
    clone_url: str  #: of the base repository, which also has the head, under `ref`
    number: int
    sha: str  #: the head commit
    base: str  #: the branch it wants to go into
    head_repo: str  #: owner/name whose branch the head is; empty: it, or the branch, is gone, or it never was on one
    title: str = ""
    message: str = ""  #: the head commit's whole message; empty: not known, the webhook does not tell
    author: str = ""  #: who opened it
    sender: str = ""  #: who brought this commit; empty: not known, also when it was only opened again
    default_branch: str = ""
    changed: tuple[str, ...] | None = None  #: files it changes against its base; None: not known
    link: str = ""
    mirror: bool = False  #: the repository is a copy of one elsewhere
    reopened: bool = False  #: it was closed before: what was called off then is wanted again

    @property
    def ref(self) -> str:
        """Where the base repository has the head."""
        return pull_ref(self.number)

    @property
    def fork(self) -> str:
        """The fork it comes from, empty if from a branch of the base repository: who may push there is known."""
        return "" if self.head_repo == self.repo else self.head_repo or "no branch that is there"


class PullRequestClosed(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request that is over, merged or not: nobody waits for its builds."""

    forge: str  #: gitea or github
    repo: str  #: owner/name it wanted to go into
    number: int

    @property
    def ref(self) -> str:
        """Where the base repository has the head."""
        return pull_ref(self.number)


class PullRequestReviewed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody reviewed a pull request. Who, and at which commit, is for the forge to say: the webhook is a hint.

    Gitea 1.26 tells the head that the pull request has now, also of a review of an older commit.
    """

    forge: str  #: gitea or github
    repo: str  #: owner/name it wants to go into
    number: int
    sha: str  #: the head now

    @property
    def ref(self) -> str:
        """Where the base repository has the head."""
        return pull_ref(self.number)
