"""What a forge's refusal means: HTTP status, headers and words → one of our errors. Pure.

Owns: which status is which error, what is quoted of the forge's own words.
Leaves to others: HTTP (`session.py`), what to do about it (each caller, by the error's type).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from raibid.forge import rate
from raibid.forge.errors import (
    CallError,
    ForgeConflictError,
    ForgeFaultError,
    ForgeForbiddenError,
    ForgeInvalidError,
    ForgeLimitError,
    ForgeLoginError,
    ForgeMovedError,
    ForgeNotFoundError,
    ForgeRefusedError,
    ForgeUnavailableError,
)

AWAY: Final = frozenset({408, 425, 429, 502, 503, 504})
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REFUSALS: Final[Mapping[int, type[CallError]]] = {
    401: ForgeLoginError,
    403: ForgeForbiddenError,
    404: ForgeNotFoundError,
    409: ForgeConflictError,
    410: ForgeNotFoundError,
    422: ForgeInvalidError,
}
_LONGEST_WORD: Final = 200
_LOGIN: Final = re.compile(r"\b(token|scope|password|account|integration|credential)", re.IGNORECASE)
"""In a 403: our login is at fault and not what our user may do. Gitea: "token does not have at least one of required
scope(s)", "token scope is limited to public repos", "You must change your password", "This account is prohibited from
signing in". GitHub: "Resource not accessible by personal access token", "Resource not accessible by integration",
"Although you appear to have the correct authorization credentials, the organization has an IP allow list enabled"."""


class _Said(msgspec.Struct, frozen=True):
    """A forge's refusal: both say `message`."""

    message: str = ""


def refusal(asked: str, status: int, headers: Mapping[str, str], content: bytes) -> CallError:
    """The error for an answer that is not what was asked for. `asked`: method and URL, without credentials."""
    words = _words(content)
    message = f"{asked}: HTTP {status}{f': {words}' if words else ''}"
    if (pause := rate.pause_asked(status, headers, words)) is not None:
        return ForgeLimitError(message, pause)
    if status in AWAY:
        return ForgeUnavailableError(message, rate.retry_after(headers) or 0.0)
    if status >= 500:
        return ForgeFaultError(message)
    if status in REDIRECTS:
        target = urlsplit(headers.get("Location", ""))
        return ForgeMovedError(f"{message}: moved to {target.hostname or ''}{target.path}"[:500])
    if status == 403 and _LOGIN.search(words):
        return ForgeLoginError(message)
    return _REFUSALS.get(status, ForgeRefusedError)(message)


def _words(content: bytes) -> str:
    try:
        said = msgspec.json.decode(content, type=_Said).message
    except msgspec.MsgspecError:
        return ""  # a proxy's page
    return " ".join(said.split())[:_LONGEST_WORD]
