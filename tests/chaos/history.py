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


class CancelAcknowledged(msgspec.Struct, frozen=True, tag=True):
    """`cancel` returned; every transition up to then stands before this in the timeline."""

    job: str
    status: str


class Audit(msgspec.Struct, frozen=True, tag=True):
    """An atomic look: taken in one transaction with the transitions that stand before it in the timeline."""

    depth: Depth
    entries: tuple[str, ...]  #: the jobs of the stream's entries


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
    """An agent noticed that it was silent for longer than the lease: stopped, cut off, or starved of CPU."""

    job: str
    seconds: float


AgentNote = Claimed | Finished | Fenced | Late


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the checker looks at."""

    timeline: list[Transition | CancelAcknowledged | Audit]
    acknowledged: list[Acknowledged]
    notes: list[AgentNote]
    jobs: dict[str, Job]  #: the records at rest
    rest: Depth
    faults: dict[str, int] = {}  #: kind → how many were injected
    agents: int = 0  #: started in all
    most_agents: int = 0  #: alive at once
    max_agents: int = 1
    drained: float = 0.0  #: seconds from the last fault to rest
    drain_bound: float = 1.0
    lost_bytes: int = 0  #: cut from the append-only file by power losses
