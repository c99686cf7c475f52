"""Deliveries that do not tell what they change: the forge is asked, for a moment.

Owns: how long a delivery may wait for it, how many are asked at once, when none is.
Leaves to others: the questions and what the answers add (`raibid.forge.real_changes`).

A forge that says nothing in time costs a filter, never a build: the event goes on as it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from raibid.api.forges import Connect
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.forge import Event, real_changes
from raibid.forge.errors import CallError, ForgeUnavailableError
from raibid.forge.forge import Changes

_log: Final = structlog.get_logger("raibid.api")
_SECONDS: Final = 2.0
"""Gitea gives up on a delivery after 5 s, of which Redis may need some."""
_AT_ONCE: Final = 4
_MOST_WAITING: Final = 64


class RealChanges:
    """Asks the forges. For one event loop."""

    def __init__(
        self,
        forges: Mapping[str, Connect],
        metrics: Metrics,
        *,
        seconds: float = _SECONDS,
        patience: Patience[str] | None = None,
    ) -> None:
        self._forges = forges
        self._metrics = metrics
        self._seconds = seconds
        self._away = patience or Patience(first=1.0, longest=60.0)
        """Of forges: while one is away, no delivery waits for it. And of repositories, one of
        which may be slow alone."""
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="changes")
        self._waiting = 0

    async def complete(self, event: Event) -> Event:
        """The event with what the forge says of its changes; as it came if the forge does not say."""
        connect = self._forges.get(event.forge)
        if connect is None:
            return event
        if self._waits(event) or self._waiting >= _MOST_WAITING:
            self._metrics.changes(event.forge, "unasked")
            return event
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                # A question whose turn has not come when the time is up is never asked.
                found = await asyncio.get_running_loop().run_in_executor(self._threads, _ask, connect, event)
        except TimeoutError:
            self._away_with("late", _home(event), event, f"no answer within {self._seconds:g} s")
            return event
        except ForgeUnavailableError as error:
            self._away_with("away", event.forge, event, str(error), error.retry_after)
            return event
        except CallError as error:
            self._metrics.changes(event.forge, "refused")
            _log.warning("the forge does not say what changed", repo=event.repo, ref=event.ref, error=str(error))
            return event
        finally:
            self._waiting -= 1
        self._away.succeeded(event.forge)
        self._away.succeeded(_home(event))
        complete = real_changes.informed(event, found)
        self._metrics.changes(event.forge, "told" if complete.changed is not None else "unknown")
        return complete

    def close(self) -> None:
        """Ask nothing more; who waits is told so."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _waits(self, event: Event) -> bool:
        return self._away.waits(event.forge) or self._away.waits(_home(event))

    def _away_with(self, outcome: str, who: str, event: Event, why: str, asked: float = 0.0) -> None:
        self._metrics.changes(event.forge, outcome)
        if self._away.failed(who, asked):
            _log.warning("the forge does not say what changed; all is built", forge=who, error=why)


def _home(event: Event) -> str:
    """The repository at its forge. There are as many of them as hooks were signed for."""
    return f"{event.forge}/{event.repo}"


def _ask(connect: Connect, event: Event) -> Changes:
    with connect() as forge:
        return real_changes.ask(forge, event)
