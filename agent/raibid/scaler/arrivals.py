"""Arrival patterns for the simulator: when jobs enter the queue, in seconds from the start.

Owns: bursts, steady and random streams, files of timestamps, and the one-word notation the command line takes.
"""

from __future__ import annotations

import random
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Final

from raibid.scaler.errors import ArrivalsError

Arrivals = tuple[float, ...]

NOTATION: Final = "burst:N, steady:N/SECONDS, poisson:N/MEAN_SECONDS, or the path of a file with a timestamp per line"
_MOST: Final = 100_000


def burst(count: int) -> Arrivals:
    """All at once."""
    return (0.0,) * count


def steady(count: int, every: float) -> Arrivals:
    """One every so many seconds."""
    return tuple(i * every for i in range(count))


def poisson(count: int, mean: float, seed: int = 0) -> Arrivals:
    """At random, with exponential gaps of this mean."""
    source = random.Random(seed)  # noqa: S311 a simulation must be repeatable
    return tuple(accumulate(source.expovariate(1 / mean) for _ in range(count)))


def from_lines(text: str, *, source: str = "<text>") -> Arrivals:
    """A timestamp per line, seconds or ISO 8601; blank lines and `#` comments are skipped. The earliest becomes 0.

    Raises:
        ArrivalsError: naming the line.
    """
    times: list[float] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.split("#", 1)[0].strip()
        if word:
            times.append(_timestamp(word, f"{source}:{number}"))
    first = min(times, default=0.0)
    return tuple(sorted(t - first for t in times))


def parse_arrivals(notation: str, *, seed: int = 0) -> Arrivals:
    """A pattern as the command line takes it: see NOTATION.

    Raises:
        ArrivalsError: with what was expected.
    """
    kind, _, rest = notation.partition(":")
    match kind:
        case "burst":
            return burst(_count(rest, notation))
        case "steady" | "poisson":
            number, slash, gap = rest.partition("/")
            if not slash:
                raise ArrivalsError(f"{notation!r}: expected {kind}:N/SECONDS, such as {kind}:110/15")
            count, seconds = _count(number, notation), _positive(gap, notation)
            return steady(count, seconds) if kind == "steady" else poisson(count, seconds, seed)
    path = Path(notation)
    try:
        return from_lines(path.read_text(encoding="utf-8"), source=notation)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ArrivalsError(f"{notation!r} is no pattern and no readable file ({why}); use {NOTATION}") from error


def _timestamp(word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        try:
            value = datetime.fromisoformat(word).timestamp()
        except ValueError:
            raise ArrivalsError(f"{where}: {word!r} is neither seconds nor an ISO 8601 time") from None
    if not abs(value) < float("inf"):
        raise ArrivalsError(f"{where}: {word!r} is no point in time")
    return value


def _count(text: str, notation: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise ArrivalsError(f"{notation!r}: {text!r} is not a number of jobs between 1 and {_MOST}")
    return int(text)


def _positive(text: str, notation: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArrivalsError(f"{notation!r}: {text!r} is not a number of seconds above 0")
    return value
