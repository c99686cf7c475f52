"""One way to speak to a forge's API: `requests` with timeouts, few retries, typed answers, errors of ours.

Owns: HTTP to a forge as one user; which failures are tried again at once, what each answer's status means.
Leaves to others: what is asked for (`gitea/client.py`, `github/client.py`), trying again after more than seconds
(`raibid.api`).

Not in the room's front door: agents import `raibid.forge` for its names alone, and `requests` costs them 60 ms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import NewConnectionError
from urllib3.util import Retry

from raibid.forge.credentials import Login
from raibid.forge.errors import (
    CallError,
    ForgeAnswerError,
    ForgeFaultError,
    ForgeForbiddenError,
    ForgeLoginError,
    ForgeMovedError,
    ForgeNotFoundError,
    ForgeRefusedError,
    ForgeSilentError,
    ForgeUnavailableError,
)

_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})
"""A POST is never sent twice by itself: the forge would make two of something. Whoever asked knows whether it may."""
_AWAY: Final = frozenset({408, 425, 429, 502, 503, 504})
_REFUSALS: Final[Mapping[int, type[CallError]]] = {
    401: ForgeLoginError,
    403: ForgeForbiddenError,
    404: ForgeNotFoundError,
    410: ForgeNotFoundError,
}
_LONGEST_WORD: Final = 200
_LOGIN: Final = re.compile(r"\b(token|scope|password|account)", re.IGNORECASE)
"""In a 403 of Gitea's: our login is at fault and not what our user may do. "token does not have at least one of
required scope(s)", "token scope is limited to public repos", "You must change your password", "This account is
prohibited from signing in"."""

T = TypeVar("T")


class _Said(msgspec.Struct, frozen=True):
    """A forge's refusal: both say `message`."""

    message: str = ""


class Session:
    """A forge's API as one user. Not for several threads at once."""

    def __init__(
        self,
        url: str,
        login: Login,
        *,
        timeout: tuple[float, float] = (5.0, 15.0),
        tries: int = 2,
        pause: float = 0.3,
    ) -> None:
        """`url`: where the API begins, without credentials. `timeout`: seconds to connect, seconds without a byte."""
        self.url: Final = url.rstrip("/")
        self._timeout = timeout
        retry = Retry(
            total=tries,
            allowed_methods=_IDEMPOTENT,
            status_forcelist=_AWAY,
            backoff_factor=pause,
            backoff_jitter=pause,  # callers that failed together must not come back together
            raise_on_status=False,
            respect_retry_after_header=False,  # it may say a day; the caller decides how long it waits
        )
        self._session = requests.Session()
        self._session.auth = HTTPBasicAuth(login.name.encode(), login.password.encode())  # a header, and never ~/.netrc
        self._session.headers["Accept"] = "application/json"
        self._session.mount(f"{self.url}/", HTTPAdapter(max_retries=retry))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def call(self, method: str, path: str, kind: type[T], body: Mapping[str, Any] | None = None) -> T:
        """Ask; the answer as `kind`.

        Raises:
            CallError: no answer, a refusal, or an answer of another shape.
        """
        asked = f"{method} {self.url}{path}"
        try:
            # A redirect would carry the credentials to a place nobody named.
            answer = self._session.request(
                method, f"{self.url}{path}", json=body, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            # The error's own text may repeat what was sent.
            silence = ForgeUnavailableError if _never_sent(error) else ForgeSilentError
            raise silence(f"{asked}: no answer ({type(error).__name__})") from None
        if not answer.ok or answer.is_redirect:
            raise _refusal(asked, answer)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            raise ForgeAnswerError(f"{asked}: HTTP {answer.status_code}, but {error}") from error


def _never_sent(error: requests.RequestException) -> bool:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(cause, NewConnectionError)


def _refusal(asked: str, answer: requests.Response) -> CallError:
    status = answer.status_code
    words = _words(answer)
    message = f"{asked}: HTTP {status}{f': {words}' if words else ''}"
    if status in _AWAY:
        return ForgeUnavailableError(message, _seconds(answer.headers.get("Retry-After", "")))
    if status >= 500:
        return ForgeFaultError(message)
    if answer.is_redirect:
        target = urlsplit(answer.headers["Location"])
        return ForgeMovedError(f"{message}: moved to {target.hostname or ''}{target.path}"[:500])
    if status == 403 and _LOGIN.search(words):
        return ForgeLoginError(message)
    return _REFUSALS.get(status, ForgeRefusedError)(message)


def _words(answer: requests.Response) -> str:
    try:
        said = msgspec.json.decode(answer.content, type=_Said).message
    except msgspec.MsgspecError:
        return ""  # a proxy's page
    return " ".join(said.split())[:_LONGEST_WORD]


def _seconds(header: str) -> float:
    return float(header) if header.isascii() and header.isdigit() else 0.0
