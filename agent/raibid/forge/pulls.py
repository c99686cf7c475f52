"""Pull requests that we open ourselves, and whether a branch needs one: asked alike of both forges.

Owns: the questions, opening a pull request or rewriting the one that is open.
Leaves to others: what the forges answer differently (`gitea/pulls.py`, `github/pulls.py`), pull requests of others
(`forge.py`).

Every call raises CallError (`errors.py`).
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from raibid.forge.alike import home
from raibid.forge.errors import ForgeConflictError, ForgeInvalidError
from raibid.forge.session import Session


class PullRef(msgspec.Struct, frozen=True):
    """A pull request that is open."""

    number: int
    html_url: str
    """Its page, as the forge names itself."""


class _Named(msgspec.Struct, frozen=True):
    full_name: str


class PullRequests(Protocol):
    """What is asked of one forge as one user, about branches of one repository."""

    @property
    def session(self) -> Session:
        """How it is asked."""

    def takes_push(self, repository: str, branch: str) -> bool:
        """Whether our user may push to this branch, as far as the forge tells."""

    def find(self, repository: str, *, head: str, base: str) -> PullRef | None:
        """The open pull request from one branch to another."""

    def closed(self, repository: str, *, head: str, base: str) -> PullRef | None:
        """One from one branch to another that was closed without being merged."""


def declined(forge: PullRequests, repository: str, *, head: str, base: str) -> PullRef | None:
    """The pull request between these branches that somebody closed and did not merge, if none is open."""
    return None if forge.find(repository, head=head, base=base) else forge.closed(repository, head=head, base=base)


def propose(forge: PullRequests, repository: str, *, head: str, base: str, title: str, body: str) -> PullRef:
    """Open a pull request; the one that is open between these branches gets this title and text instead."""
    # A POST is not redirected as a question is: the repository may have been renamed since somebody wrote its URL.
    name = forge.session.get(home(repository), _Named).full_name
    said = {"title": title, "body": body}
    found = forge.find(name, head=head, base=base)
    if found is None:
        try:
            return forge.session.call("POST", f"{home(name)}/pulls", PullRef, {"head": head, "base": base, **said})
        except (ForgeConflictError, ForgeInvalidError):
            # Somebody was quicker: Gitea says 409, GitHub 422, and that of much else.
            found = forge.find(name, head=head, base=base)
            if found is None:
                raise
    return forge.session.call("PATCH", f"{home(name)}/pulls/{found.number}", PullRef, said)
