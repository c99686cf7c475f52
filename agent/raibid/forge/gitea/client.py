"""Gitea's API, as far as the pool uses it: one method per question of `raibid.forge.forge.Forge`.

Owns: paths, bodies, answers, and where Gitea's answers mislead.
Leaves to others: HTTP and its failures (`session.py`), webhooks (`webhook.py`), hooks, administration and mirrors (the
files beside this one).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import msgspec

from raibid.forge import alike, our_comment
from raibid.forge.alike import home
from raibid.forge.changed_files import bounded
from raibid.forge.commit_status import CommitStatus
from raibid.forge.credentials import login_for
from raibid.forge.errors import ForgeFaultError, ForgeNotFoundError
from raibid.forge.forge import Changes, Head, RepositoryInfo
from raibid.forge.gitea import answers
from raibid.forge.open_pulls import OpenPull, events_of
from raibid.forge.renamed import under_its_name
from raibid.forge.reviews import Review, approvers
from raibid.forge.session import Session
from raibid.model.pull_request_event import PullRequestEvent

PAGE: Final = 50
"""Gitea's `[api] MAX_RESPONSE_ITEMS` unless it is set otherwise; more is cut to it."""
_WRITERS: Final = frozenset({"write", "admin", "owner"})


class GiteaClient:
    """A Gitea as one user. A context manager, because it holds connections."""

    def __init__(self, session: Session, *, page: int = PAGE) -> None:
        """`page`: how much of a list is asked for at once."""
        self._page: Final = page
        self.session: Final = session
        """For what only Gitea is asked: `GiteaHooks(client.session)`."""

    @classmethod
    def connect(cls, url: str, credentials: Path, *, tries: int = 2, page: int = PAGE) -> Self:
        """The Gitea at `url`, with the credentials the file has for it; opens no connection yet.

        `tries`: how often a call that may be repeated is, within about a second.

        Raises:
            ForgeLoginError: the file has none.
        """
        return cls(Session(f"{url.rstrip('/')}/api/v1", login_for(url, credentials), tries=tries), page=page)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def set_status(self, repository: str, sha: str, status: CommitStatus) -> answers.ShownStatus:
        """Set the commit's status of that context. Again is harmless: the last one counts.

        Raises:
            ForgeNotFoundError: no such repository, or no such commit in it. CallError: the others.
        """
        return under_its_name(repository, self._name_now, lambda name: self._set_status(name, sha, status))

    def _set_status(self, repository: str, sha: str, status: CommitStatus) -> answers.ShownStatus:
        path, body = f"{home(repository)}/statuses/{sha}", msgspec.to_builtins(status)
        try:
            return self.session.call("POST", path, answers.ShownStatus, body)
        except ForgeFaultError:
            # Gitea 1.26 says 500 of a commit that a forced push removed (routers/api/v1/repo/status.go).
            self._commit(repository, sha)
            raise

    def upsert_comment(
        self, repository: str, number: int, marker: str, body: str, *, rewrite_only: bool = False
    ) -> None:
        """Write or rewrite our comment at a pull request. Gitea lists all of a pull request's comments at once."""
        under_its_name(
            repository,
            self._name_now,
            lambda name: our_comment.upsert(
                self.session, name, number, marker, body, login=lambda: self.login, rewrite_only=rewrite_only
            ),
        )

    @cached_property
    def login(self) -> str:
        """Our user's name. With a token, the credentials file may say any; a token needs `read:user` for this."""
        return self.session.get("/user", alike.User).login

    def repository(self, repository: str) -> RepositoryInfo:
        """A repository, also by an earlier name."""
        return self.session.get(home(repository), RepositoryInfo)

    def repositories(self, owner: str = "") -> Iterator[RepositoryInfo]:
        """All repositories of an owner, or all that our user may read."""
        if not owner:
            # `/user/repos` leaves out what a user reads without being a collaborator or a team's member.
            path = f"/repos/search?limit={self._page}&sort=id"
            for found in self.session.pages(path, answers.Found):
                yield from found.data
            return
        for page in self.session.pages(self._of_owner(owner), list[RepositoryInfo]):
            yield from page

    def _of_owner(self, owner: str) -> str:
        try:
            self.session.get(f"/orgs/{quote(owner, safe='')}", answers.Organisation)
        except ForgeNotFoundError:
            return f"/users/{quote(owner, safe='')}/repos?limit={self._page}"
        return f"/orgs/{quote(owner, safe='')}/repos?limit={self._page}"

    def heads(self, repository: str) -> Sequence[Head]:
        """All branches with their commits."""
        pages = self.session.pages(f"{home(repository)}/branches?limit={self._page}", list[answers.Branch])
        return [Head(branch.name, branch.commit.id) for page in pages for branch in page]

    def pulls(self, repository: str) -> Sequence[PullRequestEvent]:
        """All open pull requests; none where the repository takes none, as mirrors do not."""
        pages = self.session.pages(f"{home(repository)}/pulls?state=open&limit={self._page}", list[OpenPull])
        try:
            return events_of((pull for page in pages for pull in page), forge="gitea")
        except ForgeNotFoundError:
            self.repository(repository)  # 404 says either: pull requests are off, or it is not there
            return ()

    def changes(self, repository: str, before: str, after: str) -> Changes:
        """Files of the commits that only one of the two has: a forced push undoes commits, and their files change."""
        message = self._commit(repository, after).commit.message
        if not before.strip("0"):
            return Changes(message=message)
        came, went = (self._compared(repository, *sides) for sides in ((before, after), (after, before)))
        return Changes(files=tuple(sorted(came | went)), message=message)

    def _compared(self, repository: str, one: str, other: str) -> set[str]:
        path = f"{home(repository)}/compare/{quote(one)}...{quote(other)}?verification=false"
        compared = self.session.get(path, answers.Compared)
        # Gitea lists the commits between the merge base and `other`, all of them, each with all of its files.
        return {file.filename for commit in compared.commits or () for file in commit.files or ()}

    def pull_changes(self, repository: str, number: int, sha: str) -> Changes:
        """What the pull request's newest head changes against its base; the message of `sha`."""
        message = self._commit(repository, sha).commit.message
        pages = self.session.pages(
            f"{home(repository)}/pulls/{number}/files?limit={self._page}", list[alike.ChangedFile]
        )
        return Changes(files=bounded(name for page in pages for file in page for name in file.names()), message=message)

    def _commit(self, repository: str, sha: str) -> answers.Commit:
        path = f"{home(repository)}/git/commits/{quote(sha)}?stat=false&verification=false&files=false"
        return self.session.get(path, answers.Commit)

    def may_write(self, repository: str, user: str) -> bool:
        """Whether a user may push. Gitea answers this to the repository's administrators and the site's alone.

        It says what the user has of the repository as a whole: whoever writes code through a team's single units may
        be answered as a reader (models/perm/access), and then a person decides.

        Raises:
            ForgeForbiddenError: our user is no administrator of the repository; it is not known.
        """
        return alike.may_write(self.session, repository, user, _WRITERS)

    def approvers(self, repository: str, number: int, sha: str) -> Sequence[str]:
        """Users who may push, and whose last review approves exactly this commit.

        Unlike `may_write` this is told to every reader: Gitea marks the reviews of those who may write code.
        """
        pages = self.session.pages(f"{home(repository)}/pulls/{number}/reviews?limit={self._page}", list[Review])
        return approvers((review for page in pages for review in page), sha)

    def _name_now(self, repository: str) -> str:
        return self.repository(repository).full_name
