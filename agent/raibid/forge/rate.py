"""How often a forge may still be asked: its own count of our calls, and the pause when few are left.

Owns: reading `X-RateLimit-*` and `Retry-After`, the gate that closes before the forge would.
Leaves to others: asking the gate and obeying it (`session.py`), waiting (whoever called: the API's rounds).

GitHub counts per user, for all of its connections: sessions of one login share one gate. Gitea counts nothing; its gate
never closes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from raibid.forge.errors import ForgeLimitError

RESERVE: Final = 0.05
"""Of the limit, kept back: statuses and a person's own calls with the same token must still go through."""
_UNSAID: Final = 60.0
"""Seconds: how long GitHub asks to be left alone when a secondary limit names no time (its documentation)."""
_LONGEST: Final = 86_400.0
"""Nobody is left alone for longer because a header says so; the next call finds out again."""


class RateGate:
    """Open while calls are left. For several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._closed_until = 0.0
        self._why = ""

    def check(self, asked: str) -> None:
        """Raises ForgeLimitError while it is closed."""
        with self._lock:
            left, why = self._closed_until - self._clock(), self._why
        if left > 0:
            raise ForgeLimitError(f"{asked}: not asked: {why}", left)

    def note(self, headers: Mapping[str, str]) -> None:
        """Read what an answer says of the count; close where little is left."""
        limit, remaining = _number(headers, "X-RateLimit-Limit"), _number(headers, "X-RateLimit-Remaining")
        if limit is not None and remaining is not None and remaining <= limit * RESERVE:
            self.close(_until_reset(headers), f"{remaining:.0f} of {limit:.0f} calls are left")

    def close(self, seconds: float, why: str) -> None:
        """Close for so long, if it is not closed for longer."""
        with self._lock:
            until = self._clock() + min(seconds, _LONGEST)
            if until > self._closed_until:
                self._closed_until, self._why = until, why


def pause_asked(status: int, headers: Mapping[str, str], words: str) -> float | None:
    """Seconds that a refusal asks us to stay away because we asked too often; None: it is about something else."""
    if status not in (403, 429):
        return None
    if (asked := retry_after(headers)) is not None:
        return asked
    if _number(headers, "X-RateLimit-Remaining") == 0:
        return _until_reset(headers)
    # A 403 of GitHub's that is neither: its words alone tell it from "you may not".
    return _UNSAID if "rate limit" in words.lower() else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; the header's other form, a date, is sent by neither forge."""
    return _number(headers, "Retry-After")


def _until_reset(headers: Mapping[str, str]) -> float:
    """The reset is a time of the forge's clock; its `Date` says what that shows now, and ours may differ."""
    reset = _number(headers, "X-RateLimit-Reset")
    if reset is None:
        return _UNSAID
    try:
        now = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except ValueError:
        now = time.time()
    return max(1.0, reset - now)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(name, "")
    return float(text) if text.isascii() and text.isdigit() else None
