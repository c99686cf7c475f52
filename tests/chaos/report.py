"""A run's verdict for people (a table) and for programs (JSON).

Owns: the wording.
Leaves to others: every number (`causes.py`, `progress.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.chaos.causes import re_executions
from tests.chaos.history import Audit, CancelAcknowledged, Claimed, Fenced, Finished, History, Late
from tests.chaos.progress import gaps_between_ends, longest_gap, stays
from tests.chaos.replay import Violation, transitions


def counts(h: History, seconds: float) -> dict[str, int | float | str]:
    """The figures of a run."""
    ended = Counter(str(job.status) for job in h.jobs.values())
    steps = Counter(step.event for step in transitions(h))
    notes = Counter(type(note) for note in h.notes)
    starts = Counter(note.job for note in h.notes if isinstance(note, Claimed))
    gap, repo = longest_gap(h)
    useful = len({note.owner for note in h.notes if isinstance(note, Claimed)})
    return {
        "jobs": len(h.jobs),
        **{f"jobs {status}": ended[status] for status in ("success", "failed", "cancelled", "dead")},
        "seconds": round(seconds, 1),
        **{f"fault {kind}": count for kind, count in sorted(h.faults.items())},
        "bytes lost with the power": h.lost_bytes,
        "deliveries answered": len(h.acknowledged),
        "of them known already": sum(not ack.created for ack in h.acknowledged),
        "cancels answered": sum(isinstance(step, CancelAcknowledged) for step in h.timeline),
        "transitions": sum(steps.values()),
        "withdrawn from the stream": steps["withdraw"],
        "atomic audits": sum(isinstance(step, Audit) for step in h.timeline),
        "agents started": h.agents,
        "agents without a job": h.agents - useful,
        "agents at once, most": h.most_agents,
        "agents at once, max": h.max_agents,
        "starts beyond the first": re_executions(h),
        "starts of one job, most": max(starts.values(), default=0),
        "finishes accepted": notes[Finished],
        "zombies fenced": notes[Fenced],
        "leases lost by silence": notes[Late],
        "longest gap between two turns": f"{gap} ({repo})" if repo else gap,
        "at rest after the last fault, s": round(h.drained, 1),
        "longest stay after it, s": round(max((seconds for seconds, _, _ in stays(h)), default=0.0), 1),
        "bound, s": h.stay_bound,
        "longest without an end after it, s": round(max(gaps_between_ends(h), default=0.0), 1),
        "its bound, s": h.end_bound,
    }


def table(figures: dict[str, int | float | str]) -> str:
    """One line per figure."""
    width = max(len(name) for name in figures)
    return "\n".join(f"{name:<{width}}  {value:>10}" for name, value in figures.items())


def verdict(h: History, violations: Sequence[Violation], limit: int = 20) -> str:
    """What was violated, each with the job's history."""
    if not violations:
        return "no invariant was violated"
    kinds = Counter(v.invariant for v in violations)
    lines = [f"{len(violations)} VIOLATIONS: " + ", ".join(f"{name} {count}" for name, count in kinds.items())]
    for violation in violations[:limit]:
        lines.append(f"* {violation.invariant}: {violation.job} {violation.detail}")
        if violation.job:
            lines += [f"    {line}" for line in story(h, violation.job)]
    return "\n".join(lines)


def story(h: History, job: str) -> list[str]:
    """Everything recorded about one job."""
    steps = [str(s) for s in h.timeline if not isinstance(s, Audit) and s.job == job]
    return steps + [str(note) for note in h.notes if note.job == job]
