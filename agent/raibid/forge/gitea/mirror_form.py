"""A mirror's credentials at its source, changed the one way Gitea 1.26 has: the form of its settings page.

Its API takes them when a mirror is made and never again (EditRepoOption in modules/structs/repo.go); a new mirror in
the old one's place would lose the repository's id, hooks and statuses. The form is `handleSettingsPostMirror` in
routers/web/repo/setting/setting.go; since 1.26 it wants no CSRF token, only a session. Every field that is not sent is
taken for empty (LFS for switched off), so the form is read from the page first and goes back with one thing changed.

Owns: logging in as a person would, which field is changed, how the answers are read.
Leaves to others: the page's HTML (`page_form.py`), whether the new credentials work (`raibid.mirror.fetching`).
"""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import quote, urlsplit

import requests

from raibid.forge.credentials import Login
from raibid.forge.errors import (
    ForgeAnswerError,
    ForgeForbiddenError,
    ForgeLoginError,
    ForgeNotFoundError,
    ForgeRefusedError,
    ForgeUnavailableError,
)
from raibid.forge.gitea.mirrors import Held
from raibid.forge.gitea.page_form import form_of
from raibid.forge.links import redirected
from raibid.forge.session import Straight

_TIMEOUT: Final = (5.0, 60.0)
_NOT_IN: Final = ("/user/login", "/two_factor", "/webauthn", "/change_password")
"""Where Gitea sends whom a password alone does not let in, or not yet."""


class MirrorForm:
    """Gitea's pages as one user, who administers the mirrors. A context manager, because it holds a session.

    The user logs in by password; a token opens Gitea's API only.
    """

    def __init__(self, url: str, login: Login) -> None:
        self._url = url.rstrip("/")
        self._login = login
        self._session: Final = Straight()
        self._session.trust_env = False  # nobody's ~/.netrc

    def __enter__(self) -> Self:
        """Raises CallError: Gitea did not let us in, or did not answer."""
        answer = self._ask("POST", "/user/login", {"user_name": self._login.name, "password": self._login.password})
        onward = self._onward(answer)
        if not onward or any(page in onward for page in _NOT_IN):
            self._session.close()
            raise ForgeLoginError(f"{self._url}: {self._login.name} cannot log in with that password alone")
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def settings(self, held: Held) -> dict[str, str]:
        """The form of a mirror as it is: field → value, as a browser would send it. The password is never in it.

        Raises:
            CallError: Gitea did not show it.
        """
        page = self._allowed(held, self._ask("GET", _path(held)))
        fields = form_of(page.text, "mirror")
        if fields is None:
            raise ForgeAnswerError(f"settings of {held.full_name}: the page has no form for a mirror")
        return fields

    def set_token(self, held: Held, token: str, *, user: str = "oauth2") -> None:
        """From now on the mirror's source is asked with this token. Everything else of it stays as it is.

        Raises:
            CallError: Gitea did not take it.
        """
        # The address too: a token goes to the source that was looked at, whatever the page says by now.
        changes = {"mirror_address": held.original_url, "mirror_username": user, "mirror_password": token}
        answer = self._allowed(held, self._ask("POST", _path(held), self.settings(held) | changes))
        if not self._onward(answer).lower().endswith(_path(held).lower()):
            raise ForgeRefusedError(f"settings of {held.full_name}: not taken (HTTP {answer.status_code})")

    def _onward(self, answer: requests.Response) -> str:
        """The path of the page that Gitea leads on to, as it does when it is content. A proxy's redirect to another
        place, perhaps of the very same path, says nothing of what Gitea did.
        """
        location = answer.headers.get("Location", "") if answer.is_redirect else ""
        return urlsplit(redirected(f"{self._url}/", location)).path

    def _allowed(self, held: Held, answer: requests.Response) -> requests.Response:
        asked = f"settings of {held.full_name}"
        if answer.status_code in (401, 403, 404):
            kind = ForgeNotFoundError if answer.status_code == 404 else ForgeForbiddenError
            raise kind(f"{asked}: HTTP {answer.status_code}: {self._login.name} does not administer it")
        if "/user/login" in answer.headers.get("Location", ""):
            raise ForgeLoginError(f"{asked}: the session has ended")
        return answer

    def _ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> requests.Response:
        try:
            answer = self._session.request(
                method, f"{self._url}{path}", data=fields, timeout=_TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            # The error's own text may repeat what was sent.
            raise ForgeUnavailableError(f"{self._url}{path}: no answer ({type(error).__name__})") from None
        if answer.status_code >= 500:
            raise ForgeAnswerError(f"{self._url}{path}: HTTP {answer.status_code}")
        return answer


def _path(held: Held) -> str:
    return f"/{quote(held.full_name)}/settings"
