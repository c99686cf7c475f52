"""Something that consists of parts: they start in order, and end in the opposite one.

Owns: that a start which fails half way ends what had started.
Leaves to others: which parts, in which order (whoever inherits it).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType
from typing import Self


class Composite(ABC):
    """A context manager of several others."""

    _running: ExitStack

    @abstractmethod
    def _start(self, stack: ExitStack) -> None:
        """Enter every part into `stack`."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)
