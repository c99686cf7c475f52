"""A GitHub App's login: from its private key to the token of one installation.

Owns: the App's file, the signed request for a token, when a token is replaced.
Leaves to others: what is asked with the token (`client.py`), where the file is (`contract.Env.GITHUB_APP_FILE`).

    {"app": "123456", "installation": 7890, "key_file": "app.pem"}

`app`: the App's id or client id. `key_file`: the private key as GitHub gave it, beside this file unless it begins with
a slash; in Kubernetes both are keys of one Secret. Read when a token is needed, so that a key can be rotated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import jwt
import msgspec

from raibid.forge.errors import ForgeAnswerError, ForgeLoginError, ForgeReachError, ForgeRefusedError
from raibid.forge.github import answers
from raibid.forge.session import Session

_EARLY: Final = 300.0
"""Seconds before it expires a token is replaced: a call that begins now must still be good when it arrives."""
_SKEW: Final = 60
"""Seconds that GitHub asks to date a signed request back, for clocks that differ."""
_LIFETIME: Final = 540
"""Seconds of a signed request; GitHub takes at most ten minutes."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    installation: int
    key_file: str


class App:
    """One installation of an App. For several threads and many sessions: its token is minted once an hour."""

    def __init__(self, url: str, file: Path, *, clock: Callable[[], float] = time.time) -> None:
        """`url`: where GitHub's API begins. `file`: see the module; it is read when a token is needed."""
        self._url = url
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = 0.0
        self._login = ""

    def authorization(self) -> str:
        """The installation's token as a bearer's.

        Raises:
            ForgeLoginError: the files are not usable, or GitHub does not know the App. CallError: the others.
        """
        with self._lock:
            if self._clock() >= self._good_until:
                self._mint()
            return f"Bearer {self._token}"

    def refused(self) -> None:
        """The token was revoked, or the clocks differ: mint another one for the next request."""
        with self._lock:
            self._good_until = 0.0

    @property
    def login(self) -> str:
        """The name beside what the App writes."""
        with self._lock:
            if not self._login:
                with self._as_app(self._read()) as session, _of_the_login():
                    self._login = f"{session.get('/app', answers.AppInfo).slug}[bot]"
            return self._login

    def _mint(self) -> None:
        file = self._read()
        with self._as_app(file) as session, _of_the_login():
            path = f"/app/installations/{file.installation}/access_tokens"
            minted = session.call("POST", path, answers.InstallationToken)
        try:
            expires = datetime.fromisoformat(minted.expires_at).timestamp()
        except ValueError:
            raise ForgeAnswerError(f"POST {self._url}{path}: answered no time at which the token expires") from None
        self._token, self._good_until = minted.token, expires - _EARLY

    def _as_app(self, file: _File) -> Session:
        return Session(self._url, _Signed(file.app, self._key(file), self._clock))

    def _read(self) -> _File:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_File)
        except OSError as error:
            raise ForgeLoginError(f"{self._file}: {error.strerror}") from None
        except msgspec.MsgspecError as error:
            raise ForgeLoginError(f"{self._file}: {error}") from None

    def _key(self, file: _File) -> bytes:
        place = self._file.parent / file.key_file
        try:
            return place.read_bytes()
        except OSError as error:
            raise ForgeLoginError(f"{place}: {error.strerror}") from None


@contextmanager
def _of_the_login() -> Iterator[None]:
    """A refusal is about the App, and must not be taken for one of what is being asked with its token."""
    try:
        yield
    except (ForgeReachError, ForgeRefusedError) as error:
        raise ForgeLoginError(str(error)) from None


class _Signed:
    """The App itself, which may do little more than ask for an installation's token."""

    def __init__(self, app: str, key: bytes, clock: Callable[[], float]) -> None:
        self._app, self._key, self._clock = app, key, clock

    def authorization(self) -> str:
        now = int(self._clock())
        claims = {"iat": now - _SKEW, "exp": now + _LIFETIME, "iss": self._app}
        try:
            return f"Bearer {jwt.encode(claims, self._key, algorithm='RS256')}"
        except (jwt.PyJWTError, ValueError):  # the error's words may quote the key
            raise ForgeLoginError(f"GitHub App {self._app}: its key file holds no private RSA key") from None

    def refused(self) -> None:
        """The key is not the App's: the file is read again next time."""
