"""Job ids: 16 characters, milliseconds then 30 random bits, so that ids sort by time.

Owns: making them, reading their time, bounds for "all ids since".
Leaves to others: what has such an id.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from datetime import UTC, datetime
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts as bytes, no look-alikes
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_ID: Final = re.compile(f"0[{_ALPHABET}]{{15}}")
"""The first character is 0 until the year 3084; later times are no ids of ours, and past 9999 no dates either."""

_rising: Final = threading.Lock()
_latest = 0


def new_job_id(now: float | None = None) -> str:
    """A new id, of now or of a Unix time. Those of now rise within a process, also within a millisecond."""
    global _latest
    milliseconds = int((time.time() if now is None else now) * 1000)
    number = (milliseconds & (2**48 - 1)) << 30 | secrets.randbits(30)
    if now is None:
        with _rising:  # lists are in the order of ids, and jobs that came in order are to be listed so
            number = _latest = max(number, _latest + 1)
    return _text(number)


def is_job_id(text: str) -> bool:
    """Whether it has the form of an id; anything else need not be looked up."""
    return _ID.fullmatch(text) is not None


def created_at(job_id: str) -> datetime:
    """The time in an id."""
    number = 0
    for character in job_id:
        number = number << 5 | _ALPHABET.index(character)
    return datetime.fromtimestamp((number >> 30) / 1000, UTC)


def lowest_id(moment: datetime) -> str:
    """The id before all ids of that millisecond and later."""
    return _text(int(moment.timestamp() * 1000) << 30)


def _text(number: int) -> str:
    # Two characters at a time: a job id is made for every webhook, and this is half the time of one by one.
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(70, -1, -10)])
