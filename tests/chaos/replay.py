"""What every invariant is made of: a violation, the transitions, the standing of jobs while they are replayed.

Owns: these three.
Leaves to others: the invariants (`checker.py`, `causes.py`, `progress.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from raibid.model.job import JobStatus

from tests.chaos.history import History, Transition

IN_STREAM: Final = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})


@dataclass(frozen=True)
class Violation:
    """A broken invariant; `job` is empty when it concerns the queue as a whole."""

    invariant: str
    detail: str
    job: str = ""


@dataclass
class Replay:
    """The standing of every job while the timeline is replayed."""

    status: dict[str, JobStatus] = field(default_factory=dict)
    in_stream: set[str] = field(default_factory=set)

    def apply(self, step: Transition) -> None:
        after = JobStatus(step.after)
        self.status[step.job] = after
        (self.in_stream.add if after in IN_STREAM else self.in_stream.discard)(step.job)


def transitions(history: History) -> Iterator[Transition]:
    """The transitions of the timeline, in order."""
    return (step for step in history.timeline if isinstance(step, Transition))
