"""What the mirrors' commands need from outside: the file, Gitea, GitHub, tokens.

Owns: where each is found, and their errors as exit codes.
Leaves to others: what is done with them (`mirror.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raibid.cli.errors import CliError
from raibid.contract import Env, ExitCode
from raibid.forge.credentials import Token, login_for
from raibid.forge.errors import CallError, ForgeForbiddenError, ForgeLoginError, ForgeReachError, ForgeUnavailableError
from raibid.forge.gitea.mirror_form import MirrorForm
from raibid.forge.gitea.mirrors import GiteaMirrors, Held
from raibid.forge.github.app import App
from raibid.forge.github.client import HEADERS, GithubClient, site_of
from raibid.forge.session import Session
from raibid.git.errors import GitError
from raibid.git.rooms import Rooms
from raibid.mirror.config import MARK, MirrorsFile
from raibid.mirror.errors import MirrorError, MirrorFileError
from raibid.mirror.kept import Kept, kept
from raibid.mirror.lint import load
from raibid.mirror.sides import Sides
from raibid.mirror.tokens import Tokens
from raibid.mirror.upkeep import Upkeep
from raibid.store import NowhereStore, Store, StoreError, open_store

GITHUB: Final = "https://api.github.com"


@dataclass(frozen=True)
class Access:
    """Both forges as the environment says."""

    gitea_url: str
    github_url: str
    credentials: Path
    tokens: Tokens
    app: App | None = None
    """Whom GitHub knows us as, where a file of an App is set."""

    @classmethod
    def from_env(cls) -> Access:
        """Raises CliError: Gitea's address or the credentials are missing."""
        url, credentials = os.environ.get(Env.GITEA_URL, ""), os.environ.get(Env.FORGE_CREDENTIALS_FILE, "")
        if not url or not credentials:
            missing = Env.FORGE_CREDENTIALS_FILE if url else Env.GITEA_URL
            raise CliError(f"{missing} is not set", "docs/mirrors.md says what mirrors need", ExitCode.USAGE)
        directory, app = os.environ.get(Env.MIRROR_TOKENS_DIR, ""), os.environ.get(Env.GITHUB_APP_FILE, "")
        github = os.environ.get(Env.GITHUB_URL) or GITHUB
        return cls(
            gitea_url=url,
            github_url=github,
            credentials=Path(credentials),
            tokens=Tokens(Path(directory) if directory else None),
            app=App(github, Path(app)) if app else None,
        )

    @property
    def github_site(self) -> str:
        """Where GitHub's clone URLs begin."""
        return site_of(self.github_url)

    def gitea(self) -> GiteaMirrors:
        """Gitea as its line of the credentials file."""
        return GiteaMirrors.connect(self.gitea_url, self.credentials)

    def form(self) -> MirrorForm:
        """Gitea's pages as the same user: its line then has a password, not a token."""
        return MirrorForm(self.gitea_url, login_for(self.gitea_url, self.credentials))

    def github(self, token: str = "") -> GithubClient:
        """GitHub as the named token, else as the App, else as its line of the credentials file."""
        if not token:
            return GithubClient.connect(self.github_url, self.app or self.credentials)
        return GithubClient(Session(self.github_url, Token(self.tokens.value(token)), headers=HEADERS))

    def held(self, file: MirrorsFile, gitea: GiteaMirrors) -> list[tuple[Kept, Held]]:
        """The mirrors that are there, each with the manner in which the file says it is kept."""
        held = {one.full_name: one for one in gitea.with_topic(MARK)}
        return [(one, held[one.name]) for one in kept(file, held.values(), self.github_site)]

    def sides(self, file: MirrorsFile) -> Sides:
        """How a mirror and its source are compared."""
        return Sides(gitea_url=self.gitea_url, credentials=self.credentials, guard=file.guard(), tokens=self.tokens)

    def upkeep(self, file: MirrorsFile, gitea: GiteaMirrors, patience: float = Upkeep.patience) -> Upkeep:
        """How the API looks at mirrors, here and now. Raises CliError: the store's address is wrong."""
        return Upkeep(
            sides=self.sides(file),
            gitea=gitea,
            store=_store(),
            rooms=Rooms(),
            patience=patience,
        )


def _store() -> Store:
    url = os.environ.get(Env.STORE, "")
    try:
        return open_store(url) if url else NowhereStore(f"nothing can be kept: {Env.STORE} is not set")
    except StoreError as error:
        raise CliError(str(error), f"correct {Env.STORE}", ExitCode.USAGE) from error


def read(file: Path) -> MirrorsFile:
    """The file. Raises CliError: it is not there, or wrong."""
    try:
        return load(file)
    except MirrorFileError as error:
        if not file.exists():
            raise CliError(str(error), "name it: --file PATH", ExitCode.NOT_FOUND) from error
        raise CliError(str(error), f"`raibid mirror lint {file}` says the same", ExitCode.USAGE) from error


@contextmanager
def told() -> Iterator[None]:
    """A forge's errors, and the room's, as the command line's."""
    try:
        yield
    except ForgeUnavailableError as error:
        raise CliError(str(error), "try again when the forge is back", ExitCode.UNAVAILABLE) from error
    except (ForgeLoginError, ForgeReachError, ForgeForbiddenError) as error:
        hint = f"look at the file that {Env.FORGE_CREDENTIALS_FILE} names"
        raise CliError(str(error), hint, ExitCode.REFUSED) from error
    except CallError as error:
        raise CliError(str(error)) from error
    except (MirrorError, GitError) as error:
        raise CliError(str(error), code=ExitCode.USAGE) from error
