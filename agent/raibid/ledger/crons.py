"""What cron remembers: of each schedule the latest time that was seen to.

Owns: the key `cron`, its shape.
Leaves to others: which times there are (`raibid.forge.schedule`), what becomes of them (`raibid.api.cron`).

Nothing here is atomic with `enqueue`, and need not be: a time is remembered after its job is in, and its dedupe key,
which lives for a day after that job's end, makes it one job however often it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec
import redis

from raibid.contract import Keys
from raibid.ledger.errors import translated
from raibid.ledger.records import text


class SeenTo(msgspec.Struct, frozen=True):
    """As far as a schedule was seen to."""

    until: float  #: Unix seconds: its latest time, or when it was seen first
    job: str = ""  #: what that time became; empty: it has not come yet


class Crons:
    """Cron's memory. Every method raises LedgerUnavailableError when Redis does not answer."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.cron

    def all(self) -> dict[str, SeenTo]:
        """Schedule → as far as it was seen to."""
        with translated():
            fields = cast(dict[bytes, bytes], self._client.hgetall(self._key))
        return {text(name): msgspec.json.decode(value, type=SeenTo) for name, value in fields.items()}

    def remember(self, schedule: str, seen_to: SeenTo) -> None:
        """It was seen to so far."""
        with translated():
            self._client.hset(self._key, schedule, cast(Any, msgspec.json.encode(seen_to)))

    def forget(self, schedules: Iterable[str]) -> None:
        """These are no more; should one come back, it is new."""
        if gone := list(schedules):
            with translated():
                self._client.hdel(self._key, *gone)
