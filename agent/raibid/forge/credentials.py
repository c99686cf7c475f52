"""The credentials the pool speaks to forges with: `https://user:token@host` per line, as git-credential-store has them.

Owns: which line is for which forge, how a login is written into a request.
Leaves to others: the file itself (`contract.Env.FORGE_CREDENTIALS_FILE`), sending them (`session.py`), the tokens of
a GitHub App (`github/app.py`).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from raibid.forge.errors import ForgeLoginError


class Credentials(Protocol):
    """Whoever a session speaks as."""

    def authorization(self) -> str:
        """The header's value for the next request; it may cost a request of its own. Raises CallError."""

    def refused(self) -> None:
        """The forge does not know us by that value (401): the next one has to be another, if there is any."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a forge; the password may be a token."""

    name: str
    password: str = field(repr=False)

    def authorization(self) -> str:
        """HTTP basic, in UTF-8 as both forges read it."""
        return f"Basic {base64.b64encode(f'{self.name}:{self.password}'.encode()).decode()}"

    def refused(self) -> None:
        """There is no other: the next connection reads the file again."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that says by itself whose it is."""

    secret: str = field(repr=False)

    def authorization(self) -> str:
        """A bearer's."""
        return f"Bearer {self.secret}"

    def refused(self) -> None:
        """There is no other: the next connection reads the file again."""


def login_for(url: str, file: Path) -> Login:
    """The first line of the same scheme, host and port; read anew each time, because tokens are rotated.

    `file`: also a directory of such files, as a pod mounts one per Secret.

    Raises:
        ForgeLoginError: the file cannot be read, or has no line for that forge.
    """
    try:
        lines = [line for one in files_of(file) for line in one.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise ForgeLoginError(f"{file}: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}") from None
    wanted = place_of(urlsplit(url))
    for line in lines:
        try:
            parts = urlsplit(line.strip())
            fits = place_of(parts) == wanted
        except ValueError:  # its words would quote the line
            continue
        if fits and parts.username and parts.password:
            return Login(unquote(parts.username), unquote(parts.password))
    scheme, host, port = wanted
    raise ForgeLoginError(f"{file}: no line {scheme}://user:token@{host}{f':{port}' if port else ''}")


def files_of(path: Path) -> list[Path]:
    """The file itself, or all files of a directory in order of their names. Raises OSError.

    The kubelet keeps `..data` and the like beside what it mounts; those are directories.
    """
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def place_of(url: SplitResult) -> tuple[str, str, int | None]:
    """The origin: scheme, host and port, which is None where it is the scheme's own.

    Raises:
        ValueError: the port is none.
    """
    port = url.port if url.port != {"http": 80, "https": 443}.get(url.scheme) else None
    return url.scheme, (url.hostname or "").lower(), port
