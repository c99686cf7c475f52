"""What the controller says while it works.

Owns: the shape of a line.
Leaves to others: printing it (`raibid.cli`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """One line of the log."""

    kind: str
    """A decision's or a stage's name, `trouble`, or what was done."""
    about: str
    message: str


Tell = Callable[[Told], None]
