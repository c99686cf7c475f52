"""Looking at the work stream without taking anything from it.

Owns: waiting for new entries, the stream's length.
Leaves to others: what the entries mean (`window.lua`), taking them (`claim.lua`).
"""

from __future__ import annotations

from typing import Any, Final

import redis

from raibid.contract import Keys
from raibid.ledger.connection import blocking_twin
from raibid.ledger.errors import translated
from raibid.ledger.records import text

_LONGEST_WAIT: Final = 2.0
"""Of one read, twice what the agents ask for. Whoever wants more asks again: a wait is a hint, never a promise."""


class WorkStream:
    """The stream that KEDA reads. Thread-safe."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.stream
        # Opens no connection before somebody waits; each who does has one of its own.
        self._blocking = blocking_twin(client, longest=_LONGEST_WAIT)

    def close(self) -> None:
        """Close the connections of those who waited."""
        self._blocking.close()

    def length(self) -> int:
        """As `Ledger.wanted`."""
        with translated():
            return self._client.xlen(self._key)

    def wait(self, after: str, timeout: float) -> str:
        """As `Ledger.wait`."""
        block = max(1, int(min(timeout, _LONGEST_WAIT) * 1000))
        with translated():
            reply: Any = self._blocking.xread({self._key: after}, count=1, block=block)
        if not reply:
            return after
        return self.newest()

    def newest(self) -> str:
        """As `Ledger.newest`."""
        with translated():
            try:
                info = self._client.xinfo_stream(self._key)
            except redis.ResponseError as error:
                if "no such key" in str(error):
                    return "0-0"
                raise
        return text(info["last-generated-id"])
