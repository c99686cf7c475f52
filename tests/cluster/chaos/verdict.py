"""The verdict on a run with real containers: the checker's, and what builds themselves left behind beside it. Pure.

Owns: the marks of executions, the invariants over them.
Leaves to others: every invariant of the ledger's own evidence (`tests.chaos.checker`), the run (`run.py`).

Agents in containers keep no journal of what they were answered, so that the checker's `one_agent_finishes_a_job` and
`the_last_claim_finishes` have nothing to look at here. In their place stands `who_ended_it_ran_it`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from raibid.contract import Env
from raibid.model.job import JobEvent, JobStatus

from tests.chaos.checker import check
from tests.chaos.history import Claimed, History
from tests.chaos.replay import Violation, transitions

MARK: Final = f"$RAIBID_JOB_ID.${Env.AGENT_NAME}.XXXXXX"
"""For `mktemp`: the name of the file that an execution leaves. Neither a job's nor an agent's name has a dot."""


def marks(directory: Path) -> list[Claimed]:
    """Every execution that began: which agent believed that it was given which job."""
    found = [mark.name.split(".") for mark in sorted(directory.glob("*"))]
    return [Claimed(job, "", owner) for job, owner, _ in found]


def judged(history: History) -> list[Violation]:
    """Every violation: the checker's, and those that only the marks show."""
    return [*check(history), *builds_ran_as_often_as_they_were_claimed(history), *who_ended_it_ran_it(history)]


def builds_ran_as_often_as_they_were_claimed(h: History) -> Iterator[Violation]:
    """A claim may die before its build begins; a build without a claim is a double one."""
    claims = Counter(step.job for step in transitions(h) if step.event == JobEvent.CLAIM)
    executions = Counter(job for job, _ in _executions(h))
    for job in h.jobs:
        if not 1 <= executions[job] <= claims[job]:
            yield Violation("executions", f"{executions[job]} executions, {claims[job]} claims", job)


def who_ended_it_ran_it(h: History) -> Iterator[Violation]:
    """The agent whose success the record holds has run the build: no other's outcome counts under its name."""
    executions = set(_executions(h))
    for job, record in h.jobs.items():
        if record.status is JobStatus.SUCCESS and (job, record.owner) not in executions:
            ran = sorted(owner for ran, owner in executions if ran == job)
            yield Violation("fencing", f"{record.owner} ended it, but it ran in {', '.join(ran) or 'none'}", job)


def _executions(h: History) -> Iterator[tuple[str, str]]:
    return ((note.job, note.owner) for note in h.notes if isinstance(note, Claimed))
