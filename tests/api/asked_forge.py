"""A forge in memory, for what the API asks of it: changes, and who may push."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from raibid.api.forges import Connect
from raibid.api.patience import Patience
from raibid.api.real_changes import RealChanges
from raibid.forge.errors import ForgeForbiddenError
from raibid.forge.forge import Changes, Forge

from tests.api.conftest import Api


@dataclass
class AskedForge:
    """It answers what it is given; `trouble` raises instead, `silent` holds every answer back."""

    files: tuple[str, ...] | None = ()
    message: str = ""
    writers: set[str] = field(default_factory=set)
    reviews: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Commit → who approved it."""
    trouble: Callable[[], None] = lambda: None
    silent: bool = False
    discreet: bool = False
    """It tells only its administrators who may push, as Gitea does."""
    asked: list[tuple[str, ...]] = field(default_factory=list)
    speaks: threading.Event = field(default_factory=threading.Event)

    def changes(self, repository: str, before: str, after: str) -> Changes:
        return self._changes(repository, before, after)

    def pull_changes(self, repository: str, number: int, sha: str) -> Changes:
        return self._changes(repository, str(number), sha)

    def may_write(self, repository: str, user: str) -> bool:
        self._ask(repository, user)
        if self.discreet:
            raise ForgeForbiddenError("only administrators may ask")
        return user in self.writers

    def approvers(self, repository: str, number: int, sha: str) -> Sequence[str]:
        self._ask(repository, str(number), sha)
        return [reviewer for reviewer in self.reviews.get(sha, ()) if reviewer in self.writers]

    def _changes(self, *question: str) -> Changes:
        self._ask(*question)
        return Changes(files=self.files, message=self.message)

    def _ask(self, *question: str) -> None:
        self.asked.append(question)
        if self.silent:
            assert self.speaks.wait(60), "nobody let it speak"
        self.trouble()

    @property
    def connect(self) -> Connect:
        """As `forges_of` gives it."""

        @contextmanager
        def connected() -> Iterator[Forge]:
            yield self  # type: ignore[misc]  # the calls that it is asked

        return connected


@contextmanager
def asking(api: Api, forge: AskedForge, seconds: float = 20.0, patience: Patience[str] | None = None) -> Iterator[None]:
    """Webhooks of the running API ask this forge; by default each time anew, however it answered before."""
    parts = api.parts
    mine = RealChanges(
        {"gitea": forge.connect}, parts.metrics, seconds=seconds, patience=patience or Patience(0.0, 0.0)
    )
    api.server.app.state.parts = dataclasses.replace(parts, real_changes=mine)
    try:
        yield
    finally:
        forge.speaks.set()
        mine.close()
        api.server.app.state.parts = parts
