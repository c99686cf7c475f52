"""Patterns for names of repositories, which cannot make the matcher slow.

Owns: which regular expressions `mirrors.yaml` may hold, matching a whole name.
Leaves to others: reporting a bad one (`config.py`).

Python's matcher backtracks. Names have at most 100 characters, so that a pattern is harmless when what it may try is
bounded: three repetitions, none of a group, no look-around and no back reference. The worst found take 2 ms
(`.*.*.*[xy]`) and 0.2 s (two groups of ten equal alternatives) against 100 letters. RE2 would need none of this, but is
a compiled dependency for one key of one file.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

LONGEST: Final = 200
_REPETITIONS: Final = 3
_GROUPS: Final = 2
_ALTERNATIVES: Final = 20
_OPAQUE: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)  # an escape or a class: one character


def complaint(pattern: str) -> str:
    """Why a pattern is not accepted; empty: it is."""
    if len(pattern) > LONGEST:
        return f"over {LONGEST} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # `[[a]`: may mean something else one day
            re.compile(pattern)
    except (re.error, FutureWarning, OverflowError, RecursionError) as error:
        return str(error)
    bare = _OPAQUE.sub("x", pattern)
    if re.search(r"\\[1-9]", pattern) or re.search(r"\(\?(?!:)", bare):
        return "look-around, back references and flags are not accepted"
    if re.search(r"\)[*+{]", bare):
        return "a group cannot be repeated"
    if len(re.findall(r"[*+?{]", bare.replace("(?:", "("))) > _REPETITIONS:
        return f"more than {_REPETITIONS} repetitions"
    if bare.count("(") > _GROUPS or bare.count("|") > _ALTERNATIVES:
        return f"more than {_GROUPS} groups or {_ALTERNATIVES} alternatives"
    return ""


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns is the whole name. Case does not count, as it does not in names of GitHub's."""
    return any(_compiled(pattern).fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)
