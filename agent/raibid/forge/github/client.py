"""GitHub's API, as far as the pool uses it: one method per question of `raibid.forge.forge.Forge`.

Owns: paths, bodies, answers, and where GitHub's answers mislead.
Leaves to others: HTTP and its failures (`session.py`), webhooks (`webhook.py`), hooks (`hooks.py`), an App's tokens
(`app.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, urlsplit

import msgspec

from raibid.forge import alike, our_comment
from raibid.forge.alike import home
from raibid.forge.answers import AnswerMemory
from raibid.forge.changed_files import bounded
from raibid.forge.commit_status import CommitStatus
from raibid.forge.credentials import Token, login_for
from raibid.forge.forge import Changes, Head, RepositoryInfo
from raibid.forge.github import answers
from raibid.forge.github.app import App
from raibid.forge.open_pulls import OpenPull, events_of
from raibid.forge.rate import RateGate
from raibid.forge.renamed import under_its_name
from raibid.forge.reviews import Review, approvers
from raibid.forge.session import Session
from raibid.model.pull_request_event import PullRequestEvent

HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_PAGE: Final = 100
_MOST_COMPARED: Final = 300
"""Files of a comparison; GitHub lists no more, on its first page alone."""
_WRITERS: Final = frozenset({"write", "admin"})
"""GitHub answers `maintain` as write and `triage` as read."""


class GithubClient:
    """GitHub as one user, or as one installation of an App. A context manager, because it holds connections."""

    def __init__(self, session: Session, app: App | None = None) -> None:
        self.session: Final = session
        """For what only GitHub is asked: `GithubHooks(client.session)`."""
        self._app = app

    @classmethod
    def connect(
        cls,
        url: str,
        credentials: Path | App | Token,
        *,
        tries: int = 2,
        gate: RateGate | None = None,
        memory: AnswerMemory | None = None,
    ) -> Self:
        """The GitHub whose API is at `url`, with the token the file has for its site; opens no connection yet.

        `https://api.github.com` is served by the file's line of `github.com`, whose user's name is not looked at.
        `gate` and `memory`: kept by whoever connects again and again with the same credentials.

        Raises:
            ForgeLoginError: the file has none.
        """
        app = credentials if isinstance(credentials, App) else None
        who = token_for(url, credentials) if isinstance(credentials, Path) else credentials
        return cls(Session(url, who, tries=tries, headers=HEADERS, gate=gate, memory=memory), app)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def set_status(self, repository: str, sha: str, status: CommitStatus) -> object:
        """Set the commit's status of that context. Again is harmless: the last one counts.

        Raises:
            ForgeNotFoundError: no such repository. ForgeInvalidError: no such commit in it. CallError: the others.
        """
        body = msgspec.to_builtins(status)
        return under_its_name(
            repository,
            self._name_now,
            lambda name: self.session.call("POST", f"{home(name)}/statuses/{sha}", answers.ShownStatus, body),
        )

    def upsert_comment(
        self, repository: str, number: int, marker: str, body: str, *, rewrite_only: bool = False
    ) -> None:
        """Write or rewrite our comment at a pull request."""
        under_its_name(
            repository,
            self._name_now,
            lambda name: our_comment.upsert(
                self.session,
                name,
                number,
                marker,
                body,
                login=lambda: self.login,
                rewrite_only=rewrite_only,
                query=f"?per_page={_PAGE}",
            ),
        )

    @cached_property
    def login(self) -> str:
        """Our user's name, as it stands beside what it wrote."""
        return self._app.login if self._app else self.session.get("/user", alike.User).login

    def repository(self, repository: str) -> RepositoryInfo:
        """A repository, also by an earlier name."""
        return self.session.get(home(repository), answers.Repository).info()

    def repositories(self, owner: str = "") -> Iterator[RepositoryInfo]:
        """All repositories of an owner that our user may read, or all that it may read."""
        if not owner and self._app:
            for found in self.session.pages(f"/installation/repositories?per_page={_PAGE}", answers.OfInstallation):
                yield from (repository.info() for repository in found.repositories)
            return
        for page in self.session.pages(self._listed(owner), list[answers.Repository]):
            yield from (repository.info() for repository in page)

    def _listed(self, owner: str) -> str:
        if not owner:
            return f"/user/repos?per_page={_PAGE}"
        name = quote(owner, safe="")
        kind = self.session.get(f"/users/{name}", answers.Account).type
        if kind == "Organization":
            return f"/orgs/{name}/repos?type=all&per_page={_PAGE}"
        if not self._app and self.login.lower() == owner.lower():
            return f"/user/repos?affiliation=owner&per_page={_PAGE}"  # the other list has public ones alone
        return f"/users/{name}/repos?type=owner&per_page={_PAGE}"

    def heads(self, repository: str) -> Sequence[Head]:
        """All branches with their commits."""
        pages = self.session.pages(f"{home(repository)}/branches?per_page={_PAGE}", list[answers.Branch])
        return [Head(branch.name, branch.commit.sha) for page in pages for branch in page]

    def pulls(self, repository: str) -> Sequence[PullRequestEvent]:
        """All open pull requests."""
        pages = self.session.pages(f"{home(repository)}/pulls?state=open&per_page={_PAGE}", list[OpenPull])
        return events_of((pull for page in pages for pull in page), forge="github")

    def changes(self, repository: str, before: str, after: str) -> Changes:
        """What differs between two commits; after a forced push also what the undone commits had changed."""
        message = self._message(repository, after)
        if not before.strip("0"):
            return Changes(message=message)
        came = self._compared(repository, before, after)
        if came.status in ("ahead", "identical"):
            return Changes(files=_names(came), message=message)
        here, there = _names(came), _names(self._compared(repository, after, before))
        files = None if here is None or there is None else tuple(sorted({*here, *there}))
        return Changes(files=files, message=message)

    def _compared(self, repository: str, one: str, other: str) -> answers.Compared:
        # The files are all on the first page, which also lists a page of commits: one is as few as it can be.
        return self.session.get(
            f"{home(repository)}/compare/{quote(one)}...{quote(other)}?per_page=1", answers.Compared
        )

    def pull_changes(self, repository: str, number: int, sha: str) -> Changes:
        """What the pull request's newest head changes against its base; the message of `sha`."""
        message = self._message(repository, sha)
        pages = self.session.pages(f"{home(repository)}/pulls/{number}/files?per_page={_PAGE}", list[alike.ChangedFile])
        return Changes(files=bounded(name for page in pages for file in page for name in file.names()), message=message)

    def _message(self, repository: str, sha: str) -> str:
        return self.session.get(f"{home(repository)}/git/commits/{quote(sha)}", alike.GitCommit).message

    def may_write(self, repository: str, user: str) -> bool:
        """Whether a user may push. GitHub answers this to whoever may push there as well.

        Raises:
            ForgeForbiddenError: our user may not; it is not known. ForgeLoginError: our token may not.
        """
        return alike.may_write(self.session, repository, user, _WRITERS)

    def approvers(self, repository: str, number: int, sha: str) -> Sequence[str]:
        """Users who may push, and whose last review approves exactly this commit."""
        pages = self.session.pages(f"{home(repository)}/pulls/{number}/reviews?per_page={_PAGE}", list[Review])
        reviewers = approvers((review for page in pages for review in page), sha)
        return [reviewer for reviewer in reviewers if self.may_write(repository, reviewer)]

    def _name_now(self, repository: str) -> str:
        return self.repository(repository).full_name


def token_for(url: str, file: Path) -> Token:
    """The token that the credentials file has for the GitHub whose API is at `url`.

    Raises:
        ForgeLoginError: it has none.
    """
    return Token(login_for(site_of(url), file).password)


def site_of(url: str) -> str:
    """The site that people and git use, from its API's address: `api.github.com` → `github.com`."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.removeprefix("api."), path="", query="").geturl()


def _names(compared: answers.Compared) -> tuple[str, ...] | None:
    files = compared.files or []
    if len(files) >= _MOST_COMPARED:
        return None
    return tuple(sorted({name for file in files for name in file.names()}))
