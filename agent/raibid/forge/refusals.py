"""What a forge's refusal means: HTTP status, headers and words → one of our errors. Pure.

Owns: which status is which error, what is quoted of the forge's own words.
Leaves to others: HTTP (`session.py`), what to do about it (each caller, by the error's type).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

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
    ForgeReachError,
    ForgeRefusedError,
    ForgeUnavailableError,
)
from raibid.forge.links import parts_of

AWAY: Final = frozenset({408, 425, 502, 503, 504})
"""Asked again at once. Not 429: whoever is told to ask less must not ask three times."""
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
_LOGIN: Final = re.compile(r"\b(required scope|change your password|prohibited from signing in)", re.IGNORECASE)
"""In a 403 of Gitea's: our login is at fault, whatever is asked. "token does not have at least one of required
scope(s)", "You must change your password", "This account is prohibited from signing in"."""
_REACH: Final = re.compile(r"\b(token|integration|credential)", re.IGNORECASE)
"""In a 403: the login is good, and does not reach this one organisation or repository. Gitea: "token scope is limited
to public repos". GitHub: "Resource not accessible by personal access token", "Resource not accessible by integration",
"Resource protected by organization SAML enforcement. You must grant your Personal Access token access", "Although you
appear to have the correct authorization credentials, the organization has an IP allow list enabled"."""


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
        target = parts_of(headers.get("Location", ""))
        place = f"{target.hostname or ''}{target.path}" if target else "no place"
        return ForgeMovedError(f"{message}: moved to {place}"[:500])
    if status == 403 and (about := _about_login(words)):
        return about(message)
    return _REFUSALS.get(status, ForgeRefusedError)(message)


def _about_login(words: str) -> type[CallError] | None:
    if _LOGIN.search(words):
        return ForgeLoginError
    return ForgeReachError if _REACH.search(words) else None


def _words(content: bytes) -> str:
    try:
        said = msgspec.json.decode(content, type=_Said).message
    except msgspec.MsgspecError:
        return ""  # a proxy's page
    return " ".join(said.split())[:_LONGEST_WORD]
