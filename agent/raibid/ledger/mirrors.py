"""The mirrors' book: what is known of each, and when each is to be looked at next.

Owns: the keys `mirrors` and `mirrors_due`, their shapes.
Leaves to others: looking (`raibid.api.mirror_keeper`), which mirrors there are (`mirrors.yaml`, Gitea).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec
import redis

from raibid.contract import Keys
from raibid.ledger.errors import translated
from raibid.ledger.records import text
from raibid.ledger.scripts import Scripts
from raibid.model.mirror import MirrorRecord


class Mirrors:
    """The book. Every method raises LedgerUnavailableError when Redis does not answer."""

    def __init__(self, client: redis.Redis, keys: Keys, run: Scripts) -> None:
        self._client = client
        self._run = run
        self._records = keys.mirrors
        self._due = keys.mirrors_due

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

    def enrol(self, names: Iterable[str], now: float) -> None:
        """These are mirrors; those that are new to the book are due now."""
        if found := dict.fromkeys(names, int(now * 1000)):
            with translated():
                self._client.zadd(self._due, found, nx=True)

    def ask(self, name: str, now: float) -> None:
        """It is to be looked at soon. One write: the wish outlives the process that took it."""
        with translated():
            self._client.zadd(self._due, {name: int(now * 1000)}, lt=True)

    def take(self, now: float, seconds: float, most: int) -> dict[str, int]:
        """Those whose time has come, the longest overdue first, with the pledge that `looked` wants back.

        Nobody else gets them for so long; then they are due again, whatever became of who took them.
        """
        until = int((now + seconds) * 1000)
        with translated():
            names = self._run("mirrors_take", int(now * 1000), until, most)
        return {text(name): until for name in names}

    def looked(self, name: str, pledge: int, again: float) -> bool:
        """It was looked at, and is due `again`. False: somebody has asked for it since it was taken; that stands."""
        with translated():
            return bool(self._run("mirrors_looked", name, pledge, int(again * 1000)))
