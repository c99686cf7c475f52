"""Gitea's API, as one user speaks it.

Owns: every request to Gitea: login, retries, what a refusal says.
Leaves to others: what is asked for (`gitea_setup`, `commit_status`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from components.settings import Model

_TIMEOUT: Final = (5.0, 30.0)
"""Seconds to connect, seconds without a byte."""
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "PATCH", "DELETE"})


class GiteaError(Exception):
    """Gitea cannot be set up. `hint` says what to do; no message holds a password or a body that was sent."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Login(Model):
    """A user of Gitea and its password."""

    name: str
    password: SecretStr


@dataclass
class Api:
    """Gitea's API as one user: the only place that speaks HTTP."""

    url: str
    login: Login
    tries: int = 8
    pause: float = 0.5
    """Seconds, doubled from try to try, with as much jitter; 8 tries wait about two minutes at most."""
    session: requests.Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # A POST is never sent twice: Gitea would make two hooks of it. What could not connect was not sent.
        retry = Retry(
            total=self.tries,
            connect=self.tries,
            read=self.tries,
            allowed_methods=_IDEMPOTENT,
            status_forcelist=(429, 502, 503, 504),
            backoff_factor=self.pause,
            backoff_jitter=self.pause,
            backoff_max=30,
            raise_on_status=False,
            respect_retry_after_header=True,
        )
        self.session = requests.Session()
        # The machine's ~/.netrc must not speak for the stack's administrator.
        self.session.trust_env = False
        self.session.auth = (self.login.name, self.login.password.get_secret_value())
        self.session.mount(self.url, HTTPAdapter(max_retries=retry))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, none: bool = False) -> Any:
        """The answer's JSON; with `none`, None where there is no such thing.

        Raises:
            GiteaError: no answer, or a refusal.
        """
        try:
            answer = self.session.request(
                method, f"{self.url}/api/v1{path}", json=body, timeout=_TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            # The exception's own text repeats the address and may repeat more.
            raise GiteaError(
                f"{self.url}: no answer to {method} {path} ({type(error).__name__})",
                "is Gitea up, and does its name resolve on this machine?",
            ) from None
        if none and answer.status_code == 404:
            return None
        if answer.status_code >= 300:
            raise self._refusal(method, path, answer)
        return answer.json() if answer.content else None

    def accepts(self) -> bool:
        """Whether this user may log in."""
        try:
            self.call("GET", "/user")
        except _LoginError:
            return False
        return True

    def _refusal(self, method: str, path: str, answer: requests.Response) -> GiteaError:
        if answer.status_code == 401:
            return _LoginError(
                f"{self.url}: {self.login.name} may not log in",
                "the password follows the stack's seed (docs/host.md, Gitea)",
            )
        return GiteaError(f"{self.url}: {method} {path}: HTTP {answer.status_code}: {_reason(answer)}")


class _LoginError(GiteaError):
    """Wrong name or password."""


def _reason(answer: requests.Response) -> str:
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return answer.reason
    return str(said.get("message", answer.reason))[:200] if isinstance(said, dict) else answer.reason
