"""The checker: a recorded history in, the violated invariants of spec/queue.md 2.0 and 2.6 out. Pure.

Owns: every invariant, one function each; the counts worth printing.
Leaves to others: recording (`harness.py`), printing (`report.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from raibid.ledger import Depth
from raibid.model.job import IllegalTransitionError, JobEvent, JobStatus, next_status

from tests.chaos.history import Audit, CancelAcknowledged, Finished, History, Late, Transition


@dataclass(frozen=True)
class Violation:
    """A broken invariant; `job` is empty when it concerns the queue as a whole."""

    invariant: str
    detail: str
    job: str = ""


@dataclass
class _Replay:
    """The standing of every job while the timeline is replayed."""

    status: dict[str, JobStatus] = field(default_factory=dict)
    in_stream: set[str] = field(default_factory=set)

    def apply(self, step: Transition) -> None:
        after = JobStatus(step.after)
        self.status[step.job] = after
        (self.in_stream.add if after in _IN_STREAM else self.in_stream.discard)(step.job)


_IN_STREAM: Final = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})


def transitions(history: History) -> Iterator[Transition]:
    """The transitions of the timeline, in order."""
    return (step for step in history.timeline if isinstance(step, Transition))


def every_acknowledged_job_is_terminal(h: History) -> Iterator[Violation]:
    for ack in h.acknowledged:
        job = h.jobs.get(ack.job)
        if job is None:
            yield Violation("acknowledged → terminal", "lost: there is no record", ack.job)
        elif not job.status.terminal:
            yield Violation("acknowledged → terminal", f"ended as {job.status}", ack.job)


def every_transition_is_legal(h: History) -> Iterator[Violation]:
    replay = _Replay()
    for step in transitions(h):
        before = replay.status.get(step.job)
        if problem := _illegal(step, before):
            yield Violation("legal transitions", problem, step.job)
        replay.apply(step)
    for job_id, job in h.jobs.items():
        if replay.status.get(job_id) != job.status:
            yield Violation("legal transitions", f"record {job.status}, events {replay.status.get(job_id)}", job_id)


def _illegal(step: Transition, before: JobStatus | None) -> str:
    if step.event == JobEvent.CREATE:
        return "" if before is None else f"created again, was {before}"
    if before is None or step.before != before:
        return f"{step.event} from {step.before}, but it was {before}"
    try:
        expected = next_status(before, JobEvent(step.event))
    except IllegalTransitionError as error:
        return str(error)
    return "" if expected == step.after else f"{step.event} gave {step.after}, not {expected}"


def a_job_ends_once(h: History) -> Iterator[Violation]:
    ends = Counter(step.job for step in transitions(h) if JobStatus(step.after).terminal)
    for job, count in ends.items():
        if count > 1:
            yield Violation("ends once", f"{count} terminal transitions", job)


def one_agent_finishes_a_job(h: History) -> Iterator[Violation]:
    """Two agents that both believe that their outcome counts: the double success that fencing prevents."""
    finished: dict[str, dict[str, str]] = defaultdict(dict)
    for note in h.notes:
        if isinstance(note, Finished):
            finished[note.job][note.token] = note.outcome
    for job, by_token in finished.items():
        if len(by_token) > 1:
            yield Violation("one finish per job", f"{len(by_token)} agents finished it: {by_token}", job)
        record = h.jobs.get(job)
        if record and record.status not in by_token.values():
            yield Violation("one finish per job", f"agents were told {by_token}, record {record.status}", job)


def the_last_claim_finishes(h: History) -> Iterator[Violation]:
    """Only the newest lease may end a job: an older one is a zombie's, however the job ended."""
    for note in h.notes:
        record = h.jobs.get(note.job)
        if isinstance(note, Finished) and record and record.owner != note.owner:
            yield Violation("fencing", f"{note.owner} finished it, but {record.owner} claimed it later", note.job)


def attempts_stay_within_bounds(h: History) -> Iterator[Violation]:
    for step in transitions(h):
        job = h.jobs.get(step.job)
        if job and step.attempt > job.max_attempts:
            yield Violation("attempts", f"attempt {step.attempt} of {job.max_attempts}", step.job)
    for job_id, job in h.jobs.items():
        if job.status is JobStatus.DEAD and job.attempt < job.max_attempts:
            yield Violation("attempts", f"dead after {job.attempt} of {job.max_attempts}", job_id)


def re_executions_have_a_cause(h: History) -> Iterator[Violation]:
    again = re_executions(h)
    if again > causes(h):
        yield Violation("re-executions", f"{again} jobs started again, but only {causes(h)} faults explain that")


def re_executions(h: History) -> int:
    """Starts beyond each job's first."""
    starts = Counter(step.job for step in transitions(h) if step.event == JobEvent.CLAIM)
    return sum(starts.values()) - len(starts)


def causes(h: History) -> int:
    """What may make a job start again: a fault on one agent, on Redis (then on all of them), or lost CPU."""
    one = sum(h.faults.get(kind, 0) for kind in ("agent-kill", "agent-stop", "agent-term", "cancel-lost"))
    all_ = sum(h.faults.get(kind, 0) for kind in ("redis-kill", "power-loss"))
    return one + all_ * h.max_agents + sum(isinstance(note, Late) for note in h.notes)


def nothing_is_left_at_rest(h: History) -> Iterator[Violation]:
    for name in ("stream", "pending", "waiting", "held", "claimed"):
        if count := getattr(h.rest, name):
            yield Violation("at rest", f"{name} is {count}")


def one_job_per_dedupe_key(h: History) -> Iterator[Violation]:
    ids: dict[str, set[str]] = defaultdict(set)
    for ack in h.acknowledged:
        ids[ack.dedupe].add(ack.job)
    for key, found in ids.items():
        if len(found) > 1:
            yield Violation("one job per dedupe key", f"{key}: {sorted(found)}")
    known = {ack.job for ack in h.acknowledged}
    for job in h.jobs.keys() - known:
        yield Violation("one job per dedupe key", "nobody was ever told of this job: a second one for its key", job)


def agents_stay_below_max(h: History) -> Iterator[Violation]:
    if h.most_agents > h.max_agents:
        yield Violation("agents", f"{h.most_agents} alive at once, max is {h.max_agents}")


def it_drains_in_time(h: History) -> Iterator[Violation]:
    if h.drained > h.drain_bound:
        yield Violation("drain", f"{h.drained:.1f} s after the last fault, bound {h.drain_bound:.1f} s")


def no_start_after_an_acknowledged_cancel(h: History) -> Iterator[Violation]:
    cancelled: set[str] = set()
    for step in h.timeline:
        if isinstance(step, CancelAcknowledged) and step.status in (JobStatus.CANCELLED, JobStatus.RUNNING):
            cancelled.add(step.job)
        elif isinstance(step, Transition) and step.event == JobEvent.CLAIM and step.job in cancelled:
            yield Violation("cancel", f"attempt {step.attempt} started after cancel was acknowledged", step.job)


def every_audit_holds(h: History) -> Iterator[Violation]:
    """Limits, window, pause and the pending-entries list, at every single look."""
    for step in h.timeline:
        if isinstance(step, Audit):
            yield from (Violation("audit", problem) for problem in broken_bounds(step.depth))


def broken_bounds(d: Depth) -> Iterator[str]:
    """What one atomic look at the queue violates."""
    window = 0 if d.paused else d.window
    if d.stream > max(window, d.claimed):
        yield f"{d.stream} in the stream, window {window}, {d.claimed} claimed" + (", paused" if d.paused else "")
    for kind, counts, claimed in (
        ("repo", d.repos, d.claimed_repos),
        ("resource", d.resources, d.claimed_resources),
    ):
        for name, count in counts.items():
            limit = d.limits.get(f"{kind}:{name}", d.limits.get(f"{kind}:*")) if name else None
            if limit is not None and count > max(limit, claimed.get(name, 0)):
                yield f"{kind} {name}: {count} in the stream, limit {limit}, {claimed.get(name, 0)} claimed"
    if d.claimed > d.pending:
        yield f"{d.claimed} jobs run, but only {d.pending} entries are pending: nobody would notice a lost lease"
    if d.admit_errors:
        yield f"admit failed {d.admit_errors} times"


def the_stream_holds_what_the_records_say(h: History) -> Iterator[Violation]:
    """At every look the stream's entries are exactly the queued and running jobs, each once."""
    replay = _Replay()
    for step in h.timeline:
        if isinstance(step, Transition):
            replay.apply(step)
        elif isinstance(step, Audit):
            for job, count in Counter(step.entries).items():
                if count > 1:
                    yield Violation("stream = records", f"{count} entries at once", job)
            for job in replay.in_stream.symmetric_difference(step.entries):
                where = "has no entry" if job in replay.in_stream else "has an entry"
                yield Violation("stream = records", f"{replay.status.get(job)}, but {where}", job)


def first_admissions_are_fifo(h: History) -> Iterator[Violation]:
    """Per lane and class: who came first (or was approved first) is admitted first, unless cancelled before."""
    queues: dict[tuple[str, int], list[str]] = defaultdict(list)
    seen: set[str] = set()
    for step in transitions(h):
        record = h.jobs.get(step.job)
        if record is None or step.job in seen:
            continue
        queue = queues[record.spec.lane, int(record.spec.priority)]
        if step.after == JobStatus.WAITING:
            queue.append(step.job)
        elif step.job in queue:
            seen.add(step.job)
            if step.event == JobEvent.ADMIT and queue[0] != step.job:
                yield Violation("first in, first out", f"admitted before {queue[0]} of the same lane", step.job)
            queue.remove(step.job)


Invariant = Callable[[History], Iterator[Violation]]
INVARIANTS: Final[tuple[Invariant, ...]] = (
    every_acknowledged_job_is_terminal,
    every_transition_is_legal,
    a_job_ends_once,
    one_agent_finishes_a_job,
    the_last_claim_finishes,
    attempts_stay_within_bounds,
    re_executions_have_a_cause,
    nothing_is_left_at_rest,
    one_job_per_dedupe_key,
    agents_stay_below_max,
    it_drains_in_time,
    no_start_after_an_acknowledged_cancel,
    every_audit_holds,
    the_stream_holds_what_the_records_say,
    first_admissions_are_fifo,
)


def check(history: History) -> list[Violation]:
    """Every violation of every invariant."""
    return [violation for invariant in INVARIANTS for violation in invariant(history)]


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
        waiting[repo] += (step.after == JobStatus.WAITING) - (step.before == JobStatus.WAITING)
        if step.event == JobEvent.ADMIT:
            for other, count in waiting.items():
                passed[other] = passed[other] + 1 if count and other != repo else 0
            worst = max(worst, *((count, name) for name, count in passed.items()))
    return worst
