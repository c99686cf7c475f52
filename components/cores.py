"""Cores of a machine: which numbers, which class. GB10 has fast and small ones, and they are not numbered in order.

Owns: Linux cpu lists ("5-9,15-19") in both directions, the classes of cores that a machine's own figures show.
Leaves to others: reading the machine (the preflight script of `k3s`), who gets which cores (`budget`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final

_LIST: Final = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*")
MOST_CORES: Final = 4096
"""More than any node has; bounds what a typing error can make of a list."""


def cpu_numbers(text: str) -> tuple[int, ...]:
    """A Linux cpu list → its numbers, ascending: "5-9,15-19", "0,2", "" (none).

    Raises:
        ValueError: not a list, a range that falls, or a number twice.
    """
    if not text:
        return ()
    if not _LIST.fullmatch(text):
        raise ValueError("not a list of cpus; write 0-4,10-14")
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            raise ValueError(f"{part} falls; write {last}-{first}")
        if int(last or first) >= MOST_CORES:
            raise ValueError(f"{part} is beyond cpu {MOST_CORES - 1}; write 0-4,10-14")
        numbers += range(int(first), int(last or first) + 1)
    if len(set(numbers)) != len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise ValueError(f"cpu {twice} is in it twice; name each cpu once")
    return tuple(sorted(numbers))


def cpu_list(numbers: Iterable[int]) -> str:
    """Numbers → the shortest Linux cpu list: (0, 1, 2, 5) → "0-2,5"."""
    ordered = sorted(set(numbers))
    runs = [[number for _, number in run] for _, run in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
