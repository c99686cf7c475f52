"""What only Gitea is asked: its pull mirrors, made, changed, marked and moved aside.

Owns: paths, bodies, answers, and where Gitea's answers about mirrors mislead (tried with Gitea 1.26).
Leaves to others: which mirrors there should be (`raibid.mirror`), HTTP and its failures (`session.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import msgspec

from raibid.forge.credentials import login_for
from raibid.forge.errors import ForgeFaultError, ForgeNotFoundError
from raibid.forge.gitea.client import PAGE
from raibid.forge.session import Session

_CLONE_SECONDS: Final = 1800.0
"""`POST /repos/migrate` answers when the clone is done; three times Gitea's `[git.timeout] MIGRATE`."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as Gitea has it."""

    id: int
    full_name: str
    description: str = ""
    private: bool = False
    mirror: bool = False
    empty: bool = False
    original_url: str = ""  #: of a mirror: what it mirrors; without credentials
    mirror_interval: str = ""  #: such as `8h0m0s`; `0s`: only when asked
    mirror_updated: str = ""  #: when Gitea last tried to fetch, whether or not it could
    updated_at: str = ""  #: a fetch that went well makes this the newest commit's time
    created_at: str = ""
    topics: tuple[str, ...] = ()

    @property
    def shell(self) -> bool:
        """Whether a migration has not ended, or ended badly: Gitea makes the repository first and keeps it then."""
        return self.mirror and not self.mirror_interval


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """What `POST /repos/migrate` takes. Always `service: git`: GitHub's own would use up GitHub's rate limit."""

    clone_addr: str
    repo_owner: str
    repo_name: str
    private: bool
    mirror_interval: str
    description: str = ""
    lfs: bool = False
    wiki: bool = False
    mirror: bool = True
    service: str = "git"
    auth_token: str = ""

    def __repr__(self) -> str:
        """Without the token."""
        return f"Migration({self.clone_addr!r} → {self.repo_owner}/{self.repo_name})"


class _Found(msgspec.Struct, frozen=True):
    data: tuple[Held, ...] | None


class GiteaMirrors:
    """A Gitea's mirrors as one user, who may administer them. A context manager, because it holds connections."""

    def __init__(self, session: Session, patient: Session) -> None:
        """`patient`: the same with a long timeout, for the one call that answers when a clone is done."""
        self.session: Final = session
        self._patient: Final = patient

    @classmethod
    def connect(cls, url: str, credentials: Path, *, tries: int = 2) -> Self:
        """The Gitea at `url`, with the credentials the file has for it; opens no connection yet.

        Raises:
            ForgeLoginError: the file has none.
        """
        login, api = login_for(url, credentials), f"{url.rstrip('/')}/api/v1"
        return cls(Session(api, login, tries=tries), Session(api, login, timeout=(5.0, _CLONE_SECONDS), tries=tries))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        self._patient.close()

    # --- asked -------------------------------------------------------------------------------------------------

    def get(self, repository: str) -> Held:
        """The repository of that very name.

        Raises:
            ForgeNotFoundError: none of that name, or of that name no more: Gitea redirects from former ones.
        """
        held = self.session.get(f"/repos/{quote(repository)}", Held)
        if held.full_name.lower() != repository.lower():
            raise ForgeNotFoundError(f"{repository} is called {held.full_name} now")
        return held

    def repositories(self, owner: str) -> Sequence[Held] | None:
        """All repositories of an organisation or user; None: there is no such owner."""
        for kind in ("orgs", "users"):
            try:
                return self._all(f"/{kind}/{quote(owner, safe='')}/repos?limit={PAGE}")
            except ForgeNotFoundError:
                continue
        return None

    def with_topic(self, topic: str) -> Sequence[Held]:
        """All repositories that bear a topic, whoever owns them."""
        query = urlencode({"q": topic, "topic": "true", "sort": "id", "order": "asc", "limit": PAGE})
        pages = self.session.pages(f"/repos/search?{query}", _Found)
        # The search also finds topics that merely begin alike.
        return _once(one for page in pages for one in page.data or () if topic in one.topics)

    def has_git(self, repository: str) -> bool:
        """Whether there is a git repository behind the name: none is left where a migration failed."""
        try:
            self.session.get(f"/repos/{quote(repository)}/tags?limit=1", list[Any])
        except ForgeFaultError:  # 500, "no such file or directory"
            return False
        return True

    # --- done --------------------------------------------------------------------------------------------------

    def make_owner(self, name: str) -> None:
        """A new organisation that only its members see.

        Raises:
            ForgeRefusedError: the name is taken, or not allowed.
        """
        self.session.do("POST", "/orgs", {"username": name, "visibility": "private"})

    def migrate(self, migration: Migration) -> None:
        """Make a mirror; returns when it is cloned.

        Raises:
            ForgeConflictError: the name is taken. ForgeInvalidError: the source cannot be cloned; a shell is left then
            (`Held.shell`). ForgeSilentError: Gitea goes on cloning, whoever listens.
        """
        self._patient.do("POST", "/repos/migrate", msgspec.to_builtins(migration))

    def change(self, repository: str, changes: Mapping[str, object]) -> None:
        """Change some of: `name`, `description`, `private`, `mirror_interval`."""
        self.session.do("PATCH", f"/repos/{quote(repository)}", changes)

    def mark(self, repository: str, topic: str) -> None:
        """Give it a topic beside those it has; again is harmless."""
        self.session.do("PUT", f"/repos/{quote(repository)}/topics/{quote(topic)}")

    def unmark(self, repository: str, topic: str) -> None:
        """Take a topic from it; harmless where it has none."""
        with suppress(ForgeNotFoundError):
            self.session.do("DELETE", f"/repos/{quote(repository)}/topics/{quote(topic)}")

    def sync(self, repository: str) -> None:
        """Have Gitea fetch from the source soon; it answers before it does."""
        self.session.do("POST", f"/repos/{quote(repository)}/mirror-sync")

    def remove(self, repository: str) -> None:
        """Delete a repository, if it is there. Only for what a person named, and for shells."""
        with suppress(ForgeNotFoundError):
            self.session.do("DELETE", f"/repos/{quote(repository)}")

    def _all(self, path: str) -> Sequence[Held]:
        return _once(one for page in self.session.pages(path, tuple[Held, ...]) for one in page)


def _once(found: Iterable[Held]) -> Sequence[Held]:
    """Each once: a repository that is made meanwhile moves others to the next page."""
    return list({one.id: one for one in found}.values())
