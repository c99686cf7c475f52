"""The controller as a process.

Owns: its settings, its two kinds of rounds, SIGTERM.
Leaves to others: the rounds (`post_mortem.py`, `creating.py`), printing (`raibid.cli`).

One replica, replaced before the next starts (strategy Recreate). Two at once do no harm, they only ask twice: the
ledger takes each pod's end once, and no two can create the same Job (`job_creator.py`). Hence no leader election.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from raibid.controller.creating import Creator
from raibid.controller.kube import Cluster, KubeCluster
from raibid.controller.post_mortem import Watcher
from raibid.controller.watching import RESYNC_SECONDS, ControllerEvent, Tell, rounds
from raibid.ledger import Ledger

DEFAULT_NAMESPACE: Final = "ci"


class Scaler(StrEnum):
    """Who starts agents."""

    KEDA = "keda"
    DIRECT = "direct"  #: the controller itself


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the controller is told at its start."""

    scaler: Scaler = Scaler.KEDA
    namespace: str = DEFAULT_NAMESPACE
    resync: float = RESYNC_SECONDS


def run(settings: Settings, ledger: Ledger, tell: Tell) -> None:
    """Work until SIGTERM or SIGINT. Main thread only.

    Raises:
        KubeConfigError: no way to Kubernetes.
    """
    asyncio.run(_connected(settings, ledger, tell))


async def _connected(settings: Settings, ledger: Ledger, tell: Tell) -> None:
    cluster = KubeCluster.connect(settings.namespace)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await control(settings, cluster, ledger, tell, stop)
    finally:
        await cluster.close()
        ledger.close()


async def control(settings: Settings, cluster: Cluster, ledger: Ledger, tell: Tell, stop: asyncio.Event) -> None:
    """Both kinds of rounds until `stop`. An error that nobody foresaw ends them all."""
    creator = Creator(cluster, ledger, tell, resync=settings.resync)
    watcher = Watcher(cluster, ledger, tell, refused=creator.refused, resync=settings.resync)
    works = [asyncio.create_task(rounds("pods", watcher.round, tell))]
    if settings.scaler is Scaler.DIRECT:
        works.append(asyncio.create_task(rounds("jobs", creator.round, tell)))
    tell(ControllerEvent(kind="started", message=f"namespace {settings.namespace}, --scaler {settings.scaler}"))
    end = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({*works, end}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        tell(ControllerEvent(kind="stopping", message="nothing is left undone that a new one would not find"))
    finally:
        for task in (*works, end):
            task.cancel()
        await asyncio.gather(*works, end, return_exceptions=True)
