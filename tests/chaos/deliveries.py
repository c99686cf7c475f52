"""The forge of a run: delivers each push until it is answered, some of them again.

Owns: a thread that delivers, what was acknowledged.
Leaves to others: taking jobs in (`front_door.py`), when a delivery is disturbed (`injector.py`).
"""

from __future__ import annotations

import random
import signal
import threading
from collections import deque
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Final, Self

from tests.chaos import front_door
from tests.chaos.front_door import Request
from tests.chaos.history import Acknowledged
from tests.chaos.mother import Mother

_BACKLOG: Final = 80
"""Unfinished jobs in the ledger at most: enough for lanes to queue, few enough that faults meet every phase."""


class Deliveries:
    """Delivers one to four at the same time, at most a backlog ahead of the agents."""

    def __init__(self, requests: tuple[Request, ...], port: int, mother: Mother, backlog: Callable[[], int]) -> None:
        self._due = deque(requests)
        self._port = port
        self._mother = mother
        self._backlog = backlog
        self._most = min(_BACKLOG, len(requests) // 4 + 1)
        self._rng = random.Random(0)
        self._stop = threading.Event()
        self._again: deque[Request] = deque()
        self._answered: list[Request] = []
        self._in_hand = False
        self.acknowledged: list[Acknowledged] = []
        self.unanswered = 0  #: deliveries that had to be repeated
        self.door = ""  #: name of the process at the door
        self.disturb = False  #: kill it in the middle of the next delivery
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    @property
    def done(self) -> bool:
        """Whether every delivery was answered."""
        return not (self._due or self._again or self._in_hand)

    def repeat_one(self) -> bool:
        """Deliver something again that was answered already."""
        if not self._answered:
            return False
        self._again.append(self._rng.choice(self._answered))
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            batch = self._next_batch()
            failed = [request for request in self._deliver(batch) if not self._acknowledge(*request)] if batch else []
            self.unanswered += len(failed)
            self._due.extendleft(request for request, _ in reversed(failed))
            self._in_hand = False
            if failed or not batch:
                self._stop.wait(0.1 if failed else 0.02)

    def _next_batch(self) -> list[Request]:
        self._in_hand = True
        batch = [self._again.popleft()] if self._again else []
        if self._backlog() < self._most:
            batch += [self._due.popleft() for _ in range(min(self._rng.randint(1, 4), len(self._due)))]
        return batch

    def _deliver(self, batch: list[Request]) -> list[tuple[Request, HTTPConnection | None]]:
        """Send all of a batch before any answer is read, and kill the API then if that is due."""
        sent: list[tuple[Request, HTTPConnection | None]] = []
        for request in batch:
            try:
                sent.append((request, front_door.deliver(self._port, request)))
            except OSError:
                sent.append((request, None))
        if self.disturb and all(connection for _, connection in sent):
            self.disturb = False
            self._stop.wait(self._rng.uniform(0.0, 0.02))  # anywhere in the request: before, in or after Redis
            self._mother.signal(self.door, signal.SIGKILL)
        return sent

    def _acknowledge(self, request: Request, connection: HTTPConnection | None) -> bool:
        try:
            made = front_door.answer(connection) if connection else None
        except (OSError, HTTPException):
            made = None
        if made is None:
            return False
        self.acknowledged.append(Acknowledged(made.id, request.dedupe, made.created))
        self._answered.append(request)
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=20)
