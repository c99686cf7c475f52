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
from raibid.forge.errors import CallError, ForgeForbiddenError, ForgeLoginError, ForgeUnavailableError
from raibid.forge.gitea.mirror_form import MirrorForm
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.forge.github.client import HEADERS, GithubClient, site_of
from raibid.forge.session import Session
from raibid.mirror.config import MirrorsFile
from raibid.mirror.errors import MirrorError, MirrorFileError
from raibid.mirror.lint import load
from raibid.mirror.tokens import Tokens

GITHUB: Final = "https://api.github.com"


@dataclass(frozen=True)
class Access:
    """Both forges as the environment says."""

    gitea_url: str
    github_url: str
    credentials: Path
    tokens: Tokens

    @classmethod
    def from_env(cls) -> Access:
        """Raises CliError: Gitea's address or the credentials are missing."""
        url, credentials = os.environ.get(Env.GITEA_URL, ""), os.environ.get(Env.FORGE_CREDENTIALS_FILE, "")
        if not url or not credentials:
            missing = Env.FORGE_CREDENTIALS_FILE if url else Env.GITEA_URL
            raise CliError(f"{missing} is not set", "docs/mirrors.md says what mirrors need", ExitCode.USAGE)
        directory = os.environ.get(Env.MIRROR_TOKENS_DIR, "")
        return cls(
            gitea_url=url,
            github_url=os.environ.get(Env.GITHUB_URL) or GITHUB,
            credentials=Path(credentials),
            tokens=Tokens(Path(directory) if directory else None),
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
        """GitHub as the named token, else as its line of the credentials file."""
        if not token:
            return GithubClient.connect(self.github_url, self.credentials)
        return GithubClient(Session(self.github_url, Token(self.tokens.value(token)), headers=HEADERS))


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
    except (ForgeLoginError, ForgeForbiddenError) as error:
        hint = f"look at the file that {Env.FORGE_CREDENTIALS_FILE} names"
        raise CliError(str(error), hint, ExitCode.REFUSED) from error
    except CallError as error:
        raise CliError(str(error)) from error
    except MirrorError as error:
        raise CliError(str(error), code=ExitCode.USAGE) from error
