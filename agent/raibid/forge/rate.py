"""How often a forge may still be asked: its own count of our calls, and the pause when few are left.

Owns: reading `X-RateLimit-*` and `Retry-After`, the gate that closes to questions before the forge would close to all.
Leaves to others: asking the gate and obeying it (`session.py`), waiting (whoever called: the API's rounds).

GitHub counts per user, for all of its connections: sessions of one login share one gate. Gitea counts nothing; its gate
never closes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from raibid.forge.errors import ForgeLimitError

RESERVE: Final = 0.05
"""Of the limit, kept back from questions: statuses, comments and a person's own calls with the same token must still go
through."""
_UNSAID: Final = 60.0
"""Seconds: how long GitHub asks to be left alone when a secondary limit names no time (its documentation)."""
_LONGEST: Final = 86_400.0
"""Nobody is left alone for longer because a header says so; the next call finds out again."""


class _Closed(NamedTuple):
    until: float = 0.0
    why: str = ""


class RateGate:
    """Open while calls are left. For several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._to_all = self._to_questions = _Closed()

    def check(self, asked: str, *, question: bool = True) -> None:
        """Raises ForgeLimitError while it is closed to this. `question`: nothing is told, so it may wait."""
        with self._lock:
            closed = max(self._to_all, self._to_questions) if question else self._to_all
            left = closed.until - self._clock()
        if left > 0:
            raise ForgeLimitError(f"{asked}: not asked: {closed.why}", left)

    def note(self, headers: Mapping[str, str]) -> None:
        """Read what an answer says of the count; where little is left, close to questions."""
        limit, remaining = _number(headers, "X-RateLimit-Limit"), _number(headers, "X-RateLimit-Remaining")
        if limit is not None and remaining is not None and remaining <= limit * RESERVE:
            closed = self._closed(_until_reset(headers), f"{remaining:.0f} of {limit:.0f} calls are left")
            with self._lock:
                self._to_questions = max(self._to_questions, closed)

    def close(self, seconds: float, why: str) -> None:
        """Close to all for so long, if it is not closed for longer."""
        closed = self._closed(seconds, why)
        with self._lock:
            self._to_all = max(self._to_all, closed)

    def _closed(self, seconds: float, why: str) -> _Closed:
        return _Closed(self._clock() + min(seconds, _LONGEST), why)


def pause_asked(status: int, headers: Mapping[str, str], words: str) -> float | None:
    """Seconds that a refusal asks us to stay away because we asked too often; None: it is about something else."""
    if status not in (403, 429):
        return None
    if (asked := retry_after(headers)) is not None:
        return asked
    if _number(headers, "X-RateLimit-Remaining") == 0:
        return _until_reset(headers)
    # GitHub says either status for either limit; that a 403 is about one, its words alone tell then.
    return _UNSAID if status == 429 or "rate limit" in words.lower() else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, a day at most; the header's other form, a date, is sent by neither forge."""
    asked = _number(headers, "Retry-After")
    return asked if asked is None else min(asked, _LONGEST)


def _until_reset(headers: Mapping[str, str]) -> float:
    """The reset is a time of the forge's clock; its `Date` says what that shows now, and ours may differ."""
    reset = _number(headers, "X-RateLimit-Reset")
    if reset is None:
        return _UNSAID
    try:
        now = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except ValueError:
        now = time.time()
    return min(max(1.0, reset - now), _LONGEST)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(name, "")
    return float(text) if text.isascii() and text.isdigit() else None
