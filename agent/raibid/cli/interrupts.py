"""Signals as exceptions in the main thread, so that every `with` on the way out cleans up behind itself.

Owns: SIGTERM and SIGHUP end like Ctrl-C; the death of a child is looked at when it happens, not when somebody asks.
Leaves to others: what a dead child means (the callback raises it).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

Look = Callable[[], None]
Watched = Callable[[Look], AbstractContextManager[None]]


@contextmanager
def raised_in_main_thread() -> Iterator[Watched]:
    """Within the block SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does.

    The block's value makes a block of its own: within it each end of a child calls `look`, which may raise; the
    exception comes up wherever the main thread is. While things are being ended nothing interrupts the ending.
    """
    look: Look | None = None
    ending = False

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ending
        if not ending:
            ending = True
            raise KeyboardInterrupt

    def child_ended(_signal: int, _frame: FrameType | None) -> None:
        if look and not ending:
            look()

    @contextmanager
    def watched(what: Look) -> Iterator[None]:
        nonlocal look
        look = what
        try:
            what()  # it may have happened before anybody looked
            yield
        finally:
            look = None

    handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), interrupt) | {signal.SIGCHLD: child_ended}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield watched
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
