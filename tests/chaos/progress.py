"""That it goes on: no job stays too long once the faults are over, no repository is passed over again and again.

Owns: the bounds in time and in turns, the figures about both.
Leaves to others: everything that is right or wrong at one moment (`checker.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from raibid.model.job import JobEvent, JobStatus

from tests.chaos.history import History
from tests.chaos.replay import IN_STREAM, Violation, transitions


def no_job_stays_too_long(h: History) -> Iterator[Violation]:
    """After the last fault each stay in the stream is short: a lost lease runs out and is taken, or the work ends."""
    for seconds, job, status in stays(h):
        if seconds > h.stay_bound:
            yield Violation("drain", f"{status} for {seconds:.1f} s, bound {h.stay_bound:.1f} s", job)


def something_always_ends(h: History) -> Iterator[Violation]:
    """After the last fault, as long as jobs are left."""
    for seconds in gaps_between_ends(h):
        if seconds > h.end_bound:
            yield Violation("drain", f"no job ended for {seconds:.1f} s, bound {h.end_bound:.1f} s")


def stays(h: History) -> Iterator[tuple[float, str, str]]:
    """Seconds, job, status: how long jobs were queued or running without a change after the last fault."""
    if h.calm is None:
        return
    since: dict[str, tuple[float, str]] = {}
    for step in transitions(h):
        began, status = since.pop(step.job, (step.at, ""))
        if status:
            yield step.at - max(began, h.calm), step.job, status
        if JobStatus(step.after) in IN_STREAM:
            since[step.job] = step.at, step.after
    for job, (began, status) in since.items():
        yield h.calm + h.drained - max(began, h.calm), job, status


def gaps_between_ends(h: History) -> Iterator[float]:
    """Seconds between two ends (or the last fault and the first end) in which jobs were left."""
    if h.calm is None:
        return
    last, left = h.calm, set[str]()
    for step in transitions(h):
        if not left:
            last = max(step.at, h.calm)
        left.add(step.job)
        if JobStatus(step.after).terminal:
            left.discard(step.job)
            yield step.at - last
            last = max(step.at, h.calm)
    if left:
        yield h.calm + h.drained - last


def nobody_is_passed_over_twice(h: History) -> Iterator[Violation]:
    """No repository gets two turns before another that has the same right to one.

    The same right: it has a job waiting of the same or a better class, no more jobs in the stream than the other, and
    no limit could hold it up (only repositories without any, and only their jobs that need no counted resource). Of
    those the least recently served comes first, so each other repository may come before it once: between two turns
    there are at most R - 1 such admissions for R repositories. Not counted, because no number bounds them: better
    classes, which always go first, and others' jobs while it has more in the stream than they have.

    A class counts as it was given: ageing takes an hour per class, a run minutes.
    """
    waiting: dict[str, Counter[int]] = defaultdict(Counter)  # repository → class → jobs that need no resource
    in_stream: Counter[str] = Counter()
    passed: dict[str, set[str]] = {repo: set() for repo in h.unlimited}  # who came before it since its last turn
    for step in transitions(h):
        record = h.jobs.get(step.job)
        if record is None:
            continue
        repo, rank = record.spec.repo, int(record.spec.priority)
        if step.event == JobEvent.ADMIT:
            for other, before_it in passed.items():
                best = min((c for c, count in waiting[other].items() if count), default=None)
                if other == repo or best is None or best > rank or in_stream[other] > in_stream[repo]:
                    continue
                if repo in before_it:
                    yield Violation("fairness", f"{repo} came before {other} for a second time", step.job)
                before_it.add(repo)
            passed.get(repo, set()).clear()
        in_stream[repo] += _change(step.before, step.after, IN_STREAM)
        if not record.spec.resource:
            waiting[repo][rank] += _change(step.before, step.after, frozenset({JobStatus.WAITING}))


def _change(before: str, after: str, inside: frozenset[JobStatus]) -> int:
    return (after in inside) - (before in inside)


def longest_gap(h: History) -> tuple[int, str]:
    """Most admissions of others between two turns of a repository that had a job waiting, and whose it was."""
    waiting: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    worst = (0, "")
    for step in transitions(h):
        record = h.jobs.get(step.job)
        if record is None:
            continue
        repo = record.spec.repo
        waiting[repo] += _change(step.before, step.after, frozenset({JobStatus.WAITING}))
        if step.event == JobEvent.ADMIT:
            for other, count in waiting.items():
                passed[other] = passed[other] + 1 if count and other != repo else 0
            worst = max(worst, *((count, name) for name, count in passed.items()))
    return worst
