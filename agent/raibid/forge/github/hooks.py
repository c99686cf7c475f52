"""GitHub's webhooks of a repository or an organisation: list, create, patch, and all of it at once.

Owns: the calls, and when one is made. GitHub takes several hooks for one address, as long as no two have the same
configuration and an event in common.
Leaves to others: what is wanted and compared (`forge/hooks.py`), deliveries (`webhook.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

import msgspec

from raibid.forge.errors import ForgeInvalidError, ForgeNotFoundError
from raibid.forge.hooks import Ensured, Hook, WantedHook, at_url
from raibid.forge.session import Session

_PAGE: Final = 100


class _Config(msgspec.Struct, frozen=True):
    url: str = ""
    content_type: str = "form"
    secret: str = ""  #: asterisks where there is one
    insecure_ssl: str | int | float = "0"


class _Shown(msgspec.Struct, frozen=True):
    id: int
    config: _Config
    events: list[str]
    active: bool = True

    def hook(self) -> Hook:
        return Hook(
            id=self.id,
            url=self.config.url,
            content_type=self.config.content_type,
            events=frozenset(self.events),
            active=self.active,
            signs=bool(self.config.secret),
            checks_tls=str(self.config.insecure_ssl) == "0",
        )


class GithubHooks:
    """The webhooks of what our user administers: a repository (`owner/name`) or an organisation (`owner`).

    A token needs `admin:repo_hook` or `admin:org_hook`; without it GitHub hides them: ForgeNotFoundError.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self, place: str) -> Iterable[Hook]:
        """All of them."""
        pages = self._session.pages(f"{_home(place)}?per_page={_PAGE}", list[_Shown])
        return [shown.hook() for page in pages for shown in page]

    def create(self, place: str, wanted: WantedHook) -> Hook:
        """A new one. Raises ForgeInvalidError where one of that configuration tells one of the events already."""
        body = {"name": "web", **_body(wanted)}
        return self._session.call("POST", _home(place), _Shown, body).hook()

    def patch(self, place: str, hook: int, wanted: WantedHook) -> Hook:
        """Make it so, secret included: without one in the call GitHub would remove it."""
        return self._session.call("PATCH", f"{_home(place)}/{hook}", _Shown, _body(wanted)).hook()

    def delete(self, place: str, hook: int) -> None:
        """Remove it, if it is there."""
        with suppress(ForgeNotFoundError):
            self._session.do("DELETE", f"{_home(place)}/{hook}")

    def ensure_hook(self, place: str, wanted: WantedHook, *, renew: bool = False) -> Ensured:
        """One hook for that URL that tells what is wanted, signed; nothing is called where it is so.

        GitHub tells of a secret only that there is one: after a rotation, `renew` sets it again; and so does finding
        several, for nobody knows whose secret is right.

        Raises:
            CallError: GitHub refused, or did not answer; again is harmless.
        """
        there = at_url(self.list(place), wanted.url)
        if not there:
            try:
                self.create(place, wanted)
            except ForgeInvalidError:
                # Somebody was faster, or an earlier call of ours arrived after all; else it is refused again.
                there = at_url(self.list(place), wanted.url)
                if not there:
                    raise
            else:
                return Ensured.CREATED
        kept = next((hook for hook in there if wanted.like(hook)), there[0])
        if there == [kept] and wanted.like(kept) and not renew:
            return Ensured.UNCHANGED
        for other in there:
            if other.id != kept.id:
                self.delete(place, other.id)
        self.patch(place, kept.id, wanted)
        return Ensured.CORRECTED


def _home(place: str) -> str:
    return f"/repos/{quote(place)}/hooks" if "/" in place else f"/orgs/{quote(place)}/hooks"


def _body(wanted: WantedHook) -> dict[str, Any]:
    config = {"url": wanted.url, "content_type": "json", "insecure_ssl": "0", "secret": wanted.secret}
    return {"active": True, "events": sorted(wanted.events), "config": config}
