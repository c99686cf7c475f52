"""The mirrors' book: what is known of each, when each is to be looked at next, and who looks at it now.

Owns: the keys `mirrors`, `mirrors_due` and `mirrors_wishes`, their shapes.
Leaves to others: looking (`raibid.api.mirror_keeper`), which mirrors there are (`mirrors.yaml`, Gitea).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import redis

from raibid.contract import Keys
from raibid.ledger.errors import translated
from raibid.ledger.records import text
from raibid.ledger.scripts import Scripts
from raibid.model.mirror import MirrorRecord


@dataclass(frozen=True)
class Announced:
    """A push that the source's forge told of."""

    sha: str
    """What the ref is at now; zeros: it is gone."""
    at: float
    """When it was told."""


@dataclass(frozen=True)
class Pledge:
    """A mirror that was taken to be looked at. Nobody else gets it as long as the pledge is held."""

    name: str
    by: str
    since: float
    """When somebody asked for it, or when it was due."""
    announced: Mapping[str, Announced] = field(default_factory=dict)
    """Ref → what it should be at by now."""


class Mirrors:
    """The book. Every method raises LedgerUnavailableError when Redis does not answer."""

    def __init__(self, client: redis.Redis, keys: Keys, run: Scripts) -> None:
        self._client = client
        self._run = run
        self._records = keys.mirrors
        self._due = keys.mirrors_due
        self._wishes = keys.mirrors_wishes

    def all(self) -> dict[str, MirrorRecord]:
        """Owner/name in Gitea → what is known of it."""
        with translated():
            fields = cast(dict[bytes, bytes], self._client.hgetall(self._records))
        return {text(name): msgspec.json.decode(value, type=MirrorRecord) for name, value in fields.items()}

    def get(self, name: str) -> MirrorRecord | None:
        """One of them."""
        with translated():
            found = cast(bytes | None, self._client.hget(self._records, name))
        return msgspec.json.decode(found, type=MirrorRecord) if found else None

    def record(self, name: str, record: MirrorRecord) -> None:
        """This is known of it now."""
        with translated():
            self._client.hset(self._records, name, cast(Any, msgspec.json.encode(record)))

    def forget(self, names: Iterable[str]) -> None:
        """These are no more."""
        if gone := list(names):
            with translated():
                self._client.hdel(self._records, *gone)
                self._client.zrem(self._due, *gone)
                self._client.hdel(self._wishes, *gone)

    def enrol(self, names: Iterable[str], now: float) -> None:
        """These are mirrors; those that are new to the book are due now."""
        if found := dict.fromkeys(names, int(now * 1000)):
            with translated():
                self._client.zadd(self._due, found, nx=True)

    def ask(self, name: str, now: float, ref: str = "", sha: str = "") -> bool:
        """It is to be looked at soon, since its source's `ref` is said to be at `sha`. False: there is no such mirror.

        One write: the wish outlives the process that took it. While it is being looked at, the wish waits for that
        look's end.
        """
        with translated():
            return bool(self._run("mirrors_ask", name, int(now * 1000), ref, sha))

    def take(self, now: float, seconds: float) -> Pledge | None:
        """The one that is longest overdue.

        Nobody else gets it for so long; then it is due again, whatever became of who took it.
        """
        by = uuid.uuid4().hex
        with translated():
            found = self._run("mirrors_take", int(now * 1000), int((now + seconds) * 1000), by)
        if not found:
            return None
        announced = msgspec.json.decode(found[2], type=dict[str, tuple[str, float]])
        told = {ref: Announced(sha, at / 1000) for ref, (sha, at) in announced.items()}
        return Pledge(text(found[0]), by, int(found[1]) / 1000, told)

    def hold(self, pledge: Pledge, until: float) -> bool:
        """The look goes on. False: somebody else has it now, or it is no more."""
        with translated():
            return bool(self._run("mirrors_hold", pledge.name, pledge.by, int(until * 1000)))

    def looked(self, pledge: Pledge, again: float, record: MirrorRecord, done: Mapping[str, str] | None = None) -> bool:
        """This is known of it now, and it is due `again`, or at once if somebody has asked for it meanwhile.

        `done`: announcements, ref → commit, that nobody need look for any more.
        False: somebody else has it now, or it is no more; nothing is written then.
        """
        return self._ended(pledge, again, msgspec.json.encode(record), done or {})

    def give_back(self, pledge: Pledge, again: float | None = None) -> bool:
        """The look came to nothing: it is due as before, or `again`."""
        return self._ended(pledge, pledge.since if again is None else again, b"", {})

    def _ended(self, pledge: Pledge, again: float, record: bytes, done: Mapping[str, str]) -> bool:
        due, seen = int(again * 1000), msgspec.json.encode(done)
        with translated():
            return bool(self._run("mirrors_looked", pledge.name, pledge.by, due, record, seen))
