"""The pull request payload that Gitea and GitHub share; only the fields the pool needs are decoded.

Owns: the shape, which actions bring code to build, which end it.
Leaves to others: the headers (`gitea/webhook.py`, `github/webhook.py`), what is built of it (`intake.py`).
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raibid.forge import names
from raibid.forge.push_payload import Person, Repository
from raibid.model.pull_request_event import PullRequestClosed, PullRequestEvent, PullRequestReviewed

EVENT: Final = "pull_request"
_BUILT: Final = frozenset({"opened", "reopened", "synchronized", "synchronize"})
"""New code, or code that nobody looked at for a while. Gitea writes `synchronized`, GitHub `synchronize`."""
_CLOSED: Final = "closed"
"""Also when it was merged."""
_REVIEWED: Final = frozenset({"reviewed", "submitted"})
"""Gitea's word and GitHub's."""
_LONGEST_NAME: Final = 200
_LONGEST_LINK: Final = 8_192


class Side(msgspec.Struct, frozen=True, gc=False):
    """Head or base: a commit of a branch of a repository, which may be gone."""

    ref: str
    sha: str
    repo: Repository | None = None

    @property
    def branch_of(self) -> str:
        """The repository whose branch it is, so that who may push there is known; empty: of none that there is.

        Gitea's AGit flow (`git push origin HEAD:refs/for/main/topic`) lets every reader open a pull request whose head
        is a ref `refs/pull/N/head` of the base repository itself. It writes a deleted branch so, too.
        """
        return names.repository(self.repo.full_name) if self.repo and not self.ref.startswith("refs/") else ""


class Pull(msgspec.Struct, frozen=True):
    """The pull request itself."""

    head: Side
    base: Side
    title: str = ""
    html_url: str = ""
    user: Person | None = None


Number = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class PullRequest(msgspec.Struct, frozen=True):
    """What both forges send. Missing or mistyped fields fail to decode; unknown ones are skipped unread."""

    action: str
    number: Number
    pull_request: Pull
    repository: Repository
    sender: Person | None = None


class ReviewedPull(msgspec.Struct, frozen=True):
    """The pull request that was reviewed."""

    number: Number
    head: Side


class PullRequestReview(msgspec.Struct, frozen=True):
    """What both forges send about a review; GitHub has the number only here."""

    action: str
    pull_request: ReviewedPull
    repository: Repository


def review_of(payload: PullRequestReview, *, forge: str) -> PullRequestReviewed | None:
    """Payload → event; None for an action that approves nothing, such as a review that was edited.

    Raises:
        PayloadError: a name that the pool does not accept.
    """
    if payload.action not in _REVIEWED:
        return None
    return PullRequestReviewed(
        forge=forge,
        repo=names.repository(payload.repository.full_name),
        number=payload.pull_request.number,
        sha=names.sha(payload.pull_request.head.sha),
    )


def event_of(payload: PullRequest, *, forge: str) -> PullRequestEvent | PullRequestClosed | None:
    """Payload → event; None for an action that neither brings code nor ends it, such as a label.

    Raises:
        PayloadError: a name that the pool does not accept.
    """
    if payload.action == _CLOSED:
        return PullRequestClosed(
            forge=forge, repo=names.repository(payload.repository.full_name), number=payload.number
        )
    if payload.action not in _BUILT:
        return None
    pull, repository, reopened = payload.pull_request, payload.repository, payload.action == "reopened"
    return PullRequestEvent(
        forge=forge,
        repo=names.repository(repository.full_name),
        clone_url=names.clone_url(repository.clone_url),
        number=payload.number,
        sha=names.sha(pull.head.sha),
        base=names.ref(f"refs/heads/{pull.base.ref}").removeprefix("refs/heads/"),
        head_repo=pull.head.branch_of,
        title=pull.title[:_LONGEST_NAME],
        author=pull.user.login[:_LONGEST_NAME] if pull.user else "",
        sender=payload.sender.login[:_LONGEST_NAME] if payload.sender and not reopened else "",
        default_branch=names.branch(repository.default_branch),
        link=pull.html_url[:_LONGEST_LINK],
        mirror=repository.mirror,
        reopened=reopened,
    )
