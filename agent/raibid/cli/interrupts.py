"""Signals as exceptions in the main thread, but only where an exception is welcome.

Owns: SIGTERM and SIGHUP interrupt like Ctrl-C; the death of a child is looked at when it happens, not when somebody
asks; nothing interrupts what is being ended, or is half started.
Leaves to others: what a dead child means (the look raises it), what is ended (`with` and `finally` outside the block).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

Look = Callable[[], None]
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Handlers of this process's signals while the context lasts. Main thread only.

    A signal raises KeyboardInterrupt within `welcome()`, at most once, and so at the block's edge at the latest: a
    `finally` around the block always runs to its end. Anywhere else `unwelcome` is told, in the signal handler.
    """

    def __init__(self, unwelcome: Callable[[], None]) -> None:
        self._unwelcome = unwelcome
        self._look: Look | None = None  # None: nothing is welcome
        self._holding = False
        self._held = False

    @contextmanager
    def welcome(self, look: Look) -> Iterator[None]:
        """A block to interrupt. Each end of a child calls `look`, whose exception comes up wherever the block is."""
        self._look = look
        try:
            yield
        finally:
            self._look = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """What must not be left half done: a signal waits until the end of this block, which is in a welcome one."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._held:
            self._interrupt()

    def _interrupt(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        if self._look is None:
            self._unwelcome()
        elif self._holding:
            self._held = True
        else:
            self._look = None
            raise KeyboardInterrupt

    def _child_ended(self, _signal: int, _frame: FrameType | None) -> None:
        if self._look is None or self._holding:
            return
        try:
            self._look()
        except BaseException:
            self._look = None
            raise

    def __enter__(self) -> Self:
        handlers = dict.fromkeys(_SIGNALS, self._interrupt) | {signal.SIGCHLD: self._child_ended}
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
