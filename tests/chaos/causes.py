"""Why a job was started again: each loss of a lease needs a cause of its own, on the agent that lost it.

Owns: the invariant, the counts of starts.
Leaves to others: recording owners, hits and silences (`recorder.py`, `injector.py`, `world.py`).

An agent takes one job in its life, so (job, agent) names one lease, and one cause cannot explain two losses.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from raibid.model.job import JobEvent, JobStatus

from tests.chaos.history import Claimed, History, Late, LetGo, Owned, Transition
from tests.chaos.replay import Violation, transitions

_SLACK: Final = 0.1
"""Seconds: event ids are cut to milliseconds, and an agent notes the time a little before or after Redis does."""


class _Evidence:
    """What speaks for a loss, by lease."""

    def __init__(self, h: History) -> None:
        self._h = h
        self._hits = {hit.owner: hit.at for hit in reversed(h.hits)}  # the first one of each agent
        self._late: dict[tuple[str, str], list[Late]] = defaultdict(list)
        self._let_go: set[tuple[str, str]] = set()
        self.owners: dict[str, set[str]] = defaultdict(set)
        for note in h.notes:
            if isinstance(note, Late):
                self._late[note.job, note.owner].append(note)
            elif isinstance(note, LetGo):
                self._let_go.add((note.job, note.owner))
            elif isinstance(note, Claimed):
                self.owners[note.job].add(note.owner)

    def explains(self, job: str, owner: str, since: float, lost: float) -> bool:
        """Whether this agent, which had the job from `since` on, had a reason to lose it by `lost`."""
        return (
            (job, owner) in self._let_go
            or self._hits.get(owner, lost + 1) <= lost + _SLACK
            or any(self._silent(late, lost) for late in self._late[job, owner])
            or self._never_heard(job, owner, since, lost)
        )

    def _silent(self, late: Late, lost: float) -> bool:
        """It had said nothing for a whole lease by then; a silence that began later explains nothing."""
        return late.until - late.since >= self._h.lease - _SLACK and late.since + self._h.lease <= lost + _SLACK

    def _never_heard(self, job: str, owner: str, since: float, lost: float) -> bool:
        """Redis went down with the answer to its claim. Who was answered beats again before leases are judged."""
        restarted = any(since - _SLACK <= down <= lost for down in self._h.redis_down)
        return restarted and owner not in self.owners[job]


def re_executions_have_a_cause(h: History) -> Iterator[Violation]:
    evidence = _Evidence(h)
    owner: dict[str, str] = {}
    since: dict[str, float] = {}
    for step in h.timeline:
        if isinstance(step, Owned):
            owner[step.job] = step.owner
        elif isinstance(step, Transition):
            if step.before == JobStatus.RUNNING and not JobStatus(step.after).terminal:
                # Lost between two looks (the harness itself starved): any agent that ever had the job.
                had = {owner[step.job]} if owner.get(step.job) else evidence.owners[step.job]
                if not any(evidence.explains(step.job, who, since.get(step.job, 0.0), step.at) for who in had):
                    detail = f"{step.event}: {', '.join(sorted(had)) or 'its agent'} lost it, and nothing explains that"
                    yield Violation("re-executions", detail, step.job)
            if step.event == JobEvent.CLAIM:
                owner[step.job], since[step.job] = "", step.at


def re_executions(h: History) -> int:
    """Starts beyond each job's first."""
    starts = Counter(step.job for step in transitions(h) if step.event == JobEvent.CLAIM)
    return sum(starts.values()) - len(starts)
