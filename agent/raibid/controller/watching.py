"""How the controller looks at Kubernetes, and how it bears that a neighbour is away.

Owns: the rhythm of rounds, a watch that ends in time, the pause between two tries, saying trouble once.
Leaves to others: what is looked at and what follows from it (`post_mortem.py`, `creating.py`).

Nothing hangs on an event that was seen. A watch makes the controller quick; that every round begins with a new list,
at the latest after RESYNC_SECONDS and after every break, makes it right: after 410 Gone, a restart of the API server
or of itself, a connection that is open and dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from raibid.controller.errors import ControllerError
from raibid.controller.kube import Changes, T
from raibid.kube.errors import KubeError
from raibid.ledger import LedgerError

RESYNC_SECONDS: Final = 10.0
"""A list of some dozen objects this often costs nothing, and bounds how long anything can be overlooked."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class ControllerEvent:
    """Something worth a line to the operator.

    `kind`: started, stopping, trouble, well, ended, stuck, created, deleted, back-off.
    """

    kind: str
    message: str
    about: str = ""  #: a pod, a Job, or the part of the controller


Tell = Callable[[ControllerEvent], None]


async def changes_until(news: Changes[T], deadline: float) -> Changes[T]:
    """What a watch tells before the deadline (the event loop's time); then, or when it is left, the watch is closed."""
    async with aclosing(news):
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    change = await anext(news)
            except (TimeoutError, StopAsyncIteration):
                return
            yield change


async def rounds(name: str, work: Callable[[], Awaitable[None]], tell: Tell, *, pause: float = FIRST_PAUSE) -> None:
    """Work round by round, for ever; while a neighbour is away, later and later.

    What nobody foresaw ends the process: Kubernetes starts another, which needs to know nothing of this one.
    """
    trouble, wait = "", pause
    while True:
        try:
            await work()
        except (ControllerError, KubeError, LedgerError) as error:
            if str(error) != trouble:
                tell(ControllerEvent(kind="trouble", message=str(error), about=name))
            trouble = str(error)
            await asyncio.sleep(wait)
            wait = min(LONGEST_PAUSE, wait * 2)
        else:
            if trouble:
                tell(ControllerEvent(kind="well", message="a round went well again", about=name))
            trouble, wait = "", pause
