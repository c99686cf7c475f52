"""A forge in memory, as far as the reconciler asks one: repositories, heads, pull requests, what changed.

Compared with a real Gitea in tests/cluster/test_reconciler.py, and with GitHub's fake in tests/api/test_reconciler.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

import msgspec
from raibid.api.forges import Connect
from raibid.forge.errors import ForgeNotFoundError
from raibid.forge.forge import Changes, Head, RepositoryInfo
from raibid.model.pull_request_event import PullRequestEvent

MAIN = "refs/heads/main"


def sha_of(text: str) -> str:
    """A commit."""
    return hashlib.sha1(text.encode()).hexdigest()


@dataclass
class FakeRepository:
    """A repository: branches and open pull requests with the commits they are at."""

    info: RepositoryInfo
    branches: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, PullRequestEvent] = field(default_factory=dict)


@dataclass
class ForgeOfHeads:
    """What a person does to it (`push`, `offer`, …) and what the pool asks (`Forge`)."""

    name: str = "gitea"
    there: dict[str, FakeRepository] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    """Earlier name → name."""
    messages: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Commit → what it changes."""
    asked: list[str] = field(default_factory=list)
    trouble: Callable[[str], Exception | None] = lambda _: None
    """Question → the error instead of an answer."""
    connections: int = 0

    @property
    def connect(self) -> Connect:
        """How the API gets a client. It is asked what the reconciler asks, and nothing else."""
        return cast(Connect, lambda: self)

    def __enter__(self) -> Self:
        self.connections += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.connections -= 1

    # --- what people do --------------------------------------------------------------------------------

    def create(self, repository: str, **info: Any) -> FakeRepository:
        """A repository without any commit."""
        url = f"https://git.example.test/{repository}.git"
        made = RepositoryInfo(full_name=repository, clone_url=url, default_branch="main", empty=True)
        return self.there.setdefault(repository, FakeRepository(msgspec.structs.replace(made, **info)))

    def push(self, repository: str, branch: str, text: str, *, message: str = "", files: tuple[str, ...] = ()) -> str:
        """Set a branch to the commit of that text, by force if need be."""
        home = self.there.get(repository) or self.create(repository)
        home.info = msgspec.structs.replace(home.info, empty=False)
        sha = home.branches[branch] = sha_of(text)
        self.messages[sha], self.files[sha] = message or text, files
        return sha

    def offer(self, repository: str, number: int, text: str, *, head: str = "", author: str = "ada") -> str:
        """Open a pull request into main, or push to it; from a fork if `head` names one."""
        home, sha = self.there[repository], sha_of(text)
        home.pulls[number] = PullRequestEvent(
            forge=self.name, repo=repository, clone_url=home.info.clone_url, number=number, sha=sha, base="main",
            head_repo=head or repository, title=f"#{number}", author=author, default_branch="main",
        )  # fmt: skip
        self.messages.setdefault(sha, text)
        return sha

    def rename(self, old: str, new: str) -> None:
        """The old name leads to the new one from then on."""
        home = self.there.pop(old)
        home.info = msgspec.structs.replace(home.info, full_name=new)
        self.there[new] = home
        self.moved[old] = new

    def change(self, repository: str, **info: Any) -> None:
        """Archive it, make it a mirror, …"""
        home = self.there[repository]
        home.info = msgspec.structs.replace(home.info, **info)

    # --- what the pool asks ----------------------------------------------------------------------------

    def _ask(self, question: str) -> None:
        self.asked.append(question)
        if error := self.trouble(question):
            raise error

    def _home(self, repository: str) -> FakeRepository:
        try:
            return self.there[self.moved.get(repository, repository)]
        except KeyError:
            raise ForgeNotFoundError(f"no {repository}") from None

    def repositories(self, owner: str = "") -> Iterator[RepositoryInfo]:
        for home in list(self.there.values()):
            self._ask(f"list {home.info.full_name}")
            yield home.info

    def repository(self, repository: str) -> RepositoryInfo:
        self._ask(f"repository {repository}")
        return self._home(repository).info

    def heads(self, repository: str) -> Sequence[Head]:
        self._ask(f"heads {repository}")
        return [Head(branch, sha) for branch, sha in self._home(repository).branches.items()]

    def pulls(self, repository: str) -> Sequence[PullRequestEvent]:
        self._ask(f"pulls {repository}")
        return list(self._home(repository).pulls.values())

    def changes(self, repository: str, before: str, after: str) -> Changes:
        self._ask(f"changes {repository}")
        known = before.strip("0") and before in self.messages
        return Changes(files=self.files.get(after) if known else None, message=self.messages.get(after, ""))

    def pull_changes(self, repository: str, number: int, sha: str) -> Changes:
        self._ask(f"changes {repository}")
        return Changes(files=self.files.get(sha), message=self.messages.get(sha, ""))
