"""Who approved a commit of a pull request on the forge itself. Pure.

Owns: the shape of a review that both forges share, whose word stands.
Leaves to others: listing reviews, and on GitHub whether a reviewer may push (the clients).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

_APPROVED: Final = "APPROVED"
_DECISIVE: Final = frozenset({_APPROVED, "CHANGES_REQUESTED", "REQUEST_CHANGES", "DISMISSED"})
"""GitHub writes `CHANGES_REQUESTED`, Gitea `REQUEST_CHANGES`; a comment takes nothing back."""


class Reviewer(msgspec.Struct, frozen=True):
    """A user."""

    login: str


class Review(msgspec.Struct, frozen=True):
    """A review as both forges list it."""

    state: str
    commit_id: str | None = None  #: what was looked at; the pull request may be at another commit since
    user: Reviewer | None = None
    dismissed: bool = False  #: Gitea's; GitHub changes the state
    official: bool | None = None
    """Gitea's: whether the reviewer might write code when it came, or is named in the branch's protection as one whose
    approval counts (models/issues/review.go). None: the forge does not say."""


def approvers(reviews: Iterable[Review], sha: str) -> tuple[str, ...]:
    """Users whose last word is that exactly this commit is good. `reviews`: oldest first, as the forges list them."""
    last = {one.user.login: one for one in reviews if one.user and one.state in _DECISIVE}
    return tuple(
        login
        for login, one in last.items()
        if one.state == _APPROVED and one.commit_id == sha and not one.dismissed and one.official is not False
    )
