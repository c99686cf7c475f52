"""The credentials the pool speaks to forges with: `https://user:token@host` per line, as git-credential-store has them.

Owns: which line is for which forge.
Leaves to others: the file itself (`contract.Env.FORGE_CREDENTIALS_FILE`), sending them (`session.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from raibid.forge.errors import ForgeLoginError


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a forge; the password may be a token."""

    name: str
    password: str = field(repr=False)


def login_for(url: str, file: Path) -> Login:
    """The first line of the same scheme, host and port; read anew each time, because tokens are rotated.

    Raises:
        ForgeLoginError: the file cannot be read, or has no line for that forge.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise ForgeLoginError(f"{file}: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}") from None
    wanted = _place(urlsplit(url))
    for line in lines:
        try:
            parts = urlsplit(line.strip())
            fits = _place(parts) == wanted
        except ValueError:  # its words would quote the line
            continue
        if fits and parts.username and parts.password:
            return Login(unquote(parts.username), unquote(parts.password))
    scheme, host, port = wanted
    raise ForgeLoginError(f"{file}: no line {scheme}://user:token@{host}{f':{port}' if port else ''}")


def _place(url: SplitResult) -> tuple[str, str, int | None]:
    port = url.port if url.port != {"http": 80, "https": 443}.get(url.scheme) else None
    return url.scheme, (url.hostname or "").lower(), port
