"""A forge's news about a pull request, parsed once at the edge.

Owns: the event's shape, whose code it brings.
Leaves to others: payload formats (`raibid.forge`), the decision what is built (`raibid.forge.intake`).
"""

from __future__ import annotations

import msgspec


class PullRequestEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request whose head is new to the forge, or was opened again."""

    forge: str  #: gitea or github
    repo: str  #: owner/name it wants to go into: the base repository
    clone_url: str  #: of the base repository, which also has the head, under `ref`
    number: int
    sha: str  #: the head commit
    base: str  #: the branch it wants to go into
    head_repo: str  #: owner/name the head comes from; empty: that repository is gone
    delivery: str = ""  #: the delivery's id; an unsigned header, so a hint only
    title: str = ""
    author: str = ""
    default_branch: str = ""
    link: str = ""

    @property
    def ref(self) -> str:
        """Where the base repository has the head."""
        return f"refs/pull/{self.number}/head"

    @property
    def fork(self) -> str:
        """The fork it comes from, empty if from the base repository itself: who may push there is known."""
        return "" if self.head_repo == self.repo else self.head_repo or "a repository that is gone"
