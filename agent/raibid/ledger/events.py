"""The ledger's transitions in order, for those who follow them, and how far each follower has come.

Owns: reading the event stream, the followers' cursors.
Leaves to others: writing it (`base.lua`, in the same atomic step as each transition), what a follower does.

The stream is capped: a follower that was away for more than about 10,000 transitions has missed some, and can see so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import msgspec
import redis

from raibid.contract import Keys
from raibid.ledger.errors import translated
from raibid.ledger.records import text

START: Final = "0-0"
_PAGE: Final = 1_000
_CURSOR: Final = "cursor:"


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a job's status."""

    id: str  #: its place in the stream
    job: str
    event: str  #: a JobEvent, or one of a newer version
    came_from: str  #: the status before; empty: there was none
    to: str

    @property
    def at(self) -> float:
        """When, in Unix seconds."""
        return int(self.id.partition("-")[0]) / 1000


class Events:
    """The event stream. Every method raises LedgerUnavailableError when Redis does not answer."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def newest(self) -> str:
        """The place of the latest transition."""
        with translated():
            entries = cast(Any, self._client.xrevrange(self._keys.events, count=1))
        return text(entries[0][0]) if entries else START

    def after(self, place: str) -> Iterator[Transition]:
        """All transitions after a place, oldest first, up to those that come meanwhile."""
        while True:
            with translated():
                page = cast(Any, self._client.xrange(self._keys.events, min=f"({place}", count=_PAGE))
            for entry, fields in page:
                yield _transition(text(entry), {text(name): text(value) for name, value in fields.items()})
            if len(page) < _PAGE:
                return
            place = text(page[-1][0])

    def missed(self, place: str) -> bool:
        """Whether transitions after a place may have left the stream."""
        with translated():
            if not self._client.exists(self._keys.events):
                return False
            info = cast(Any, self._client.xinfo_stream(self._keys.events))
        kept_all = info["entries-added"] == info["length"]
        return not kept_all and bool(info["first-entry"]) and _order(place) < _order(text(info["first-entry"][0]))

    def cursors(self, follower: str) -> dict[str, str]:
        """How far a follower has come: a place for each name it keeps one under."""
        start = f"{_CURSOR}{follower}:"
        with translated():
            fields = cast(dict[bytes, bytes], self._client.hgetall(self._keys.settings))
        named = ((text(name), text(value)) for name, value in fields.items())
        return {name.removeprefix(start): value for name, value in named if name.startswith(start)}

    def move(self, follower: str, name: str, place: str) -> None:
        """Note that a follower has done with everything up to a place."""
        with translated():
            self._client.hset(self._keys.settings, f"{_CURSOR}{follower}:{name}", place)

    def leave(self, follower: str, names: Iterable[str]) -> None:
        """Forget places of a follower."""
        if gone := [f"{_CURSOR}{follower}:{name}" for name in names]:
            with translated():
                self._client.hdel(self._keys.settings, *gone)


def _transition(place: str, fields: dict[str, str]) -> Transition:
    return Transition(
        id=place,
        job=fields.get("job", ""),
        event=fields.get("event", ""),
        came_from=fields.get("from", ""),
        to=fields.get("to", ""),
    )


def _order(place: str) -> tuple[int, int]:
    at, _, number = place.partition("-")
    return int(at), int(number or 0)
