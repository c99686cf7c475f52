"""A forge's news about a ref, parsed once at the edge.

Owns: the event's shape.
Leaves to others: signatures and payload formats (`raibid.forge`), the decision what is built (`raibid.forge.intake`).
"""

from __future__ import annotations

import msgspec

ZERO_SHA = "0" * 40


class PushEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A push as the forges report it."""

    forge: str  #: gitea or github
    repo: str  #: owner/name
    clone_url: str
    ref: str  #: full ref
    before: str
    after: str  #: ZERO_SHA (or 64 zeros): the ref was deleted
    message: str = ""  #: the head commit's whole message
    author: str = ""
    default_branch: str = ""
    changed: tuple[str, ...] | None = None  #: None: not known, such as when the payload does not list all commits
    link: str = ""
    mirror: bool = False  #: the repository is a copy of one elsewhere

    @property
    def starts(self) -> bool:
        """Whether the push made the ref: there is no commit that it stood at before."""
        return self.before.strip("0") == ""

    @property
    def deletes(self) -> bool:
        """Whether the push removed the ref."""
        return self.after.strip("0") == ""
