"""Gitea's webhooks of a repository or an organisation: list, create, patch, and all of it at once.

Owns: the calls, and when one is made.
Leaves to others: what is wanted and compared (`forge/hooks.py`), deliveries (`webhook.py`), the hooks of the stack's
organisation: `components.gitea_setup` sets them in its own way, because the stack imports nothing of the agent's.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import msgspec

from raibid.forge.errors import ForgeNotFoundError
from raibid.forge.gitea.client import PAGE
from raibid.forge.hooks import Ensured, Hook, WantedHook, at_url
from raibid.forge.session import Session

_ANSWERED: Final = {"pull_request_only": "pull_request"}
"""Asked for by one name, answered by another (Gitea 1.26, routers/api/v1/utils/hook.go)."""


class _Config(msgspec.Struct, frozen=True):
    url: str = ""
    content_type: str = ""


class _Shown(msgspec.Struct, frozen=True):
    id: int
    config: _Config
    events: list[str] | None = None
    active: bool = False
    name: str = ""

    def hook(self) -> Hook:
        return Hook(
            id=self.id,
            url=self.config.url,
            content_type=self.config.content_type,
            events=frozenset(self.events or ()),
            active=self.active,
            name=self.name,
        )


class GiteaHooks:
    """The webhooks of what our user administers: a repository (`owner/name`) or an organisation (`owner`)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self, place: str) -> Iterable[Hook]:
        """All of them."""
        pages = self._session.pages(f"{_home(place)}?limit={PAGE}", list[_Shown])
        return [shown.hook() for page in pages for shown in page]

    def create(self, place: str, wanted: WantedHook) -> Hook:
        """A new one; Gitea makes a second where one is there."""
        body = {"type": "gitea", **_body(wanted)}
        body["config"] = {**body["config"], "secret": wanted.secret}
        return self._session.call("POST", _home(place), _Shown, body).hook()

    def patch(self, place: str, hook: int, wanted: WantedHook) -> Hook:
        """Make it so, but for its secret: a PATCH leaves that as it is (routers/api/v1/utils/hook.go), and resets what
        it does not name.
        """
        return self._session.call("PATCH", f"{_home(place)}/{hook}", _Shown, _body(wanted)).hook()

    def delete(self, place: str, hook: int) -> None:
        """Remove it, if it is there."""
        with suppress(ForgeNotFoundError):
            self._session.do("DELETE", f"{_home(place)}/{hook}")

    def ensure_hook(self, place: str, wanted: WantedHook) -> Ensured:
        """One hook for that URL that tells what is wanted, signed with that secret; nothing is called where it is so.

        A secret is in no answer, so the hook's name carries its mark. Another secret makes a new hook before the old
        one goes: a push in between is told twice, and is one job all the same.

        Raises:
            CallError: Gitea refused, or did not answer; again is harmless.
        """
        there = at_url(self.list(place), wanted.url)
        right = next((hook for hook in there if hook.name == wanted.mark), None)
        done = Ensured.UNCHANGED
        if right is None:
            right = self.create(place, wanted)
            done = Ensured.REPLACED if there else Ensured.CREATED
        elif not wanted.like(_as_asked(right, wanted)):
            self.patch(place, right.id, wanted)
            done = Ensured.CORRECTED
        for other in there:
            if other.id != right.id:
                self.delete(place, other.id)
                done = done if done is not Ensured.UNCHANGED else Ensured.CORRECTED
        return done


def _as_asked(hook: Hook, wanted: WantedHook) -> Hook:
    """The hook with its events under the names they were asked for by."""
    names = {_ANSWERED.get(event, event): event for event in wanted.events}
    return replace(hook, events=frozenset(names.get(event, event) for event in hook.events))


def _home(place: str) -> str:
    return f"/repos/{quote(place)}/hooks" if "/" in place else f"/orgs/{quote(place)}/hooks"


def _body(wanted: WantedHook) -> dict[str, Any]:
    config = {"url": wanted.url, "content_type": "json"}
    told = {"events": sorted(wanted.events), "branch_filter": "*"}
    return {"name": wanted.mark, "active": True, "config": config, **told}
