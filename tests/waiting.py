"""Waiting for what happens elsewhere: a condition, looked at until it holds, and never a guess of how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], what: str = "the condition holds", budget: float = 30.0) -> T:
    """The condition's first true answer; fails with `what` after `budget` seconds."""
    deadline = time.monotonic() + budget
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {budget:.0f} s: {what}"
        time.sleep(0.01)
    return answer
