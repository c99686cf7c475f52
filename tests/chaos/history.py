"""What a run leaves behind for the checker: plain frozen values, written as JSON, with no process or Redis in them.

Owns: the shape of a recorded history.
Leaves to others: recording it (`harness.py`, `agents.py`, `scenarios.py`), judging it (`checker.py`).
"""

from __future__ import annotations

import msgspec
from raibid.ledger import Depth
from raibid.model.job import Job


class Transition(msgspec.Struct, frozen=True, tag=True):
    """An entry of the ledger's event stream; `before` is empty for a creation."""

    job: str
    event: str
    before: str
    after: str
    attempt: int = 0
    id: str = "0-0"  #: of the entry: milliseconds of Redis' clock, and a number

    @property
    def at(self) -> float:
        """Seconds since the epoch."""
        return int(self.id.partition("-")[0]) / 1000


class Owned(msgspec.Struct, frozen=True, tag=True):
    """From here on this agent was seen to have the job (the pending-entries list says so)."""

    job: str
    owner: str


class CancelAcknowledged(msgspec.Struct, frozen=True, tag=True):
    """`cancel` returned. `newest`: the event stream's latest entry, read in one transaction with the cancel."""

    job: str
    status: str
    newest: str


class Audit(msgspec.Struct, frozen=True, tag=True):
    """An atomic look: taken in one transaction with the transitions that stand before it in the timeline."""

    depth: Depth
    entries: tuple[str, ...]  #: the jobs of the stream's entries
    groups: dict[str, tuple[str, ...]] = {}  #: concurrency group → those of them that are in it


class Acknowledged(msgspec.Struct, frozen=True, tag=True):
    """An enqueue was answered: from here on the job must not be lost."""

    job: str
    dedupe: str
    created: bool


class Claimed(msgspec.Struct, frozen=True, tag=True):
    """An agent was given a job."""

    job: str
    token: str
    owner: str


class Finished(msgspec.Struct, frozen=True, tag=True):
    """An agent was told that its outcome counts."""

    job: str
    token: str
    owner: str
    outcome: str


class Fenced(msgspec.Struct, frozen=True, tag=True):
    """An agent was told that it lost its lease (a zombie)."""

    job: str
    token: str


class Late(msgspec.Struct, frozen=True, tag=True):
    """An agent was silent, for longer than the lease (stopped, cut off, starved) or until its end. Epoch seconds."""

    job: str
    owner: str
    since: float  #: when it asked what was answered last
    until: float


class LetGo(msgspec.Struct, frozen=True, tag=True):
    """An agent is about to hand its job back."""

    job: str
    owner: str


class Hit(msgspec.Struct, frozen=True):
    """A fault on one agent. Epoch seconds."""

    owner: str
    signal: str
    at: float


AgentNote = Claimed | Finished | Fenced | Late | LetGo


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the checker looks at."""

    timeline: list[Transition | Owned | CancelAcknowledged | Audit]
    acknowledged: list[Acknowledged]
    notes: list[AgentNote]
    jobs: dict[str, Job]  #: the records at rest
    rest: Depth
    lease: float
    faults: dict[str, int] = {}  #: kind → how many were injected
    hits: list[Hit] = []
    redis_down: list[float] = []  #: epoch seconds at which Redis was killed
    unlimited: tuple[str, ...] = ()  #: repositories that never had a limit
    agents: int = 0  #: started in all
    most_agents: int = 0  #: alive at once
    max_agents: int = 1
    calm: float | None = None  #: epoch seconds at which the last fault was undone
    drained: float = 0.0  #: seconds from then to rest
    stay_bound: float = 1.0  #: seconds a job may be queued or running without a change after that
    end_bound: float = 1.0  #: seconds without any job ending after that
    lost_bytes: int = 0  #: cut from the append-only file by power losses
