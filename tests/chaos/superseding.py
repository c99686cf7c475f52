"""Of a superseding group the newest job alone goes on. Pure.

Owns: this invariant. A run's pushes do not say what they were pushed upon, so their order is the order of their coming.
Leaves to others: which of two jobs is newer when deliveries say more (tests/ledger/test_superseding_any_order.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from raibid.model.job import JobEvent, JobStatus

from tests.chaos.history import History
from tests.chaos.replay import Violation, transitions


def only_the_newest_of_a_group_goes_on(h: History) -> Iterator[Violation]:
    """Once a newer job has come the older one starts no more, and its record says who superseded it."""
    newest: dict[str, str] = {}
    overtaken: dict[str, str] = {}
    ended: set[str] = set()
    for step in transitions(h):
        job = h.jobs.get(step.job)
        if job is None or not job.spec.group:
            continue
        if step.event == JobEvent.CREATE:
            older = newest.get(job.spec.group)
            if older and older not in ended:
                overtaken[older] = step.job
            newest[job.spec.group] = step.job
        elif step.event == JobEvent.CLAIM and step.job in overtaken:
            yield Violation("superseding", f"started after {overtaken[step.job]} had come", step.job)
        if JobStatus(step.after).terminal:
            ended.add(step.job)
    for older, newer in overtaken.items():
        if h.jobs[older].superseded_by != newer:
            yield Violation("superseding", f"by {h.jobs[older].superseded_by or 'nobody'}, not by {newer}", older)
    for job_id in newest.values():
        if h.jobs[job_id].superseded_by:
            yield Violation("superseding", "the newest of its group was superseded", job_id)
