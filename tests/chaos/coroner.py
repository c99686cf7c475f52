"""In a run, what raibid.controller is on a cluster: tells the ledger how agents ended.

Owns: which ends are told, when, how often, with which verdict.
Leaves to others: noticing them (`mother.py`), what a pod's end does to its job (`pod_ended.lua`).

A third at once, before the lease is over; a third late, when another agent may have the job; a third never. Some are
told twice, as after a restart of the controller.
"""

from __future__ import annotations

import random
import time
from typing import Final

from raibid.ledger import Ledger
from raibid.model.pod import PodEnding, PodVerdict

from tests.chaos.forker import Ended

_LATE: Final = 3.0
"""Seconds at most: longer than the lease."""


class Coroner:
    """Ends that are still to be told."""

    def __init__(self, seed: int, ledger: Ledger) -> None:
        self._rng = random.Random(seed + 2)
        self._ledger = ledger
        self._due: list[tuple[float, PodEnding, PodVerdict]] = []
        self.told = 0  #: of agents that the ledger knew

    def hear(self, child: Ended) -> None:
        """An agent is gone; a clean end is not worth a word."""
        if child.code == 0 or self._rng.random() < 1 / 3:
            return
        verdict = PodVerdict.FAIL if self._rng.random() < 0.1 else PodVerdict.LOST
        ending = PodEnding(pod=child.name, reason="Error", exit_code=child.code, disruption=self._rng.random() < 0.5)
        late = self._rng.choice((0.0, self._rng.uniform(0.0, _LATE)))
        for again in (0.0, *((_LATE,) if self._rng.random() < 0.2 else ())):
            self._due.append((time.monotonic() + late + again, ending, verdict))

    def step(self) -> None:
        """Tell what is due."""
        now = time.monotonic()
        due = [(ending, verdict) for at, ending, verdict in self._due if at <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        for ending, verdict in due:
            self.told += self._ledger.pod_ended(ending, verdict) is not None
