"""The checker: a recorded history in, the violated invariants of spec/queue.md 2.0 and 2.6 out. Pure.

Owns: every invariant of single moments, one function each, and the list of all.
Leaves to others: causes of second starts (`causes.py`), bounds in time and turns (`progress.py`),
superseding (`superseding.py`), recording
(`harness.py`), printing (`report.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from raibid.ledger import Depth
from raibid.model.job import IllegalTransitionError, JobEvent, JobStatus, next_status

from tests.chaos.causes import re_executions_have_a_cause
from tests.chaos.history import Audit, CancelAcknowledged, Finished, History, Transition
from tests.chaos.progress import no_job_stays_too_long, nobody_is_passed_over_twice, something_always_ends
from tests.chaos.replay import Replay, Violation, transitions
from tests.chaos.superseding import only_the_newest_of_a_group_goes_on


def every_acknowledged_job_is_terminal(h: History) -> Iterator[Violation]:
    for ack in h.acknowledged:
        job = h.jobs.get(ack.job)
        if job is None:
            yield Violation("acknowledged → terminal", "lost: there is no record", ack.job)
        elif not job.status.terminal:
            yield Violation("acknowledged → terminal", f"ended as {job.status}", ack.job)


def every_transition_is_legal(h: History) -> Iterator[Violation]:
    replay = Replay()
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


def no_start_after_an_acknowledged_cancel(h: History) -> Iterator[Violation]:
    """Claims that were already in the event stream when cancel answered are older than the cancel, no others."""
    starts: dict[str, list[Transition]] = defaultdict(list)
    for step in transitions(h):
        if step.event == JobEvent.CLAIM:
            starts[step.job].append(step)
    for ack in h.timeline:
        if isinstance(ack, CancelAcknowledged) and ack.status in (JobStatus.CANCELLED, JobStatus.RUNNING):
            for step in starts[ack.job]:
                if _order(step.id) > _order(ack.newest):
                    detail = f"attempt {step.attempt} started after cancel was acknowledged"
                    yield Violation("cancel", detail, ack.job)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


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
    replay = Replay()
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


def one_job_at_a_time_has_a_concurrency_group(h: History) -> Iterator[Violation]:
    """At every look one job of the stream at most is in it: it runs, or it is the next to."""
    for step in h.timeline:
        if isinstance(step, Audit):
            for group, jobs in step.groups.items():
                if len(jobs) > 1:
                    yield Violation("concurrency", f"{group} has {len(jobs)} jobs at once: {', '.join(jobs)}", jobs[1])


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
    no_job_stays_too_long,
    something_always_ends,
    nobody_is_passed_over_twice,
    no_start_after_an_acknowledged_cancel,
    every_audit_holds,
    the_stream_holds_what_the_records_say,
    one_job_at_a_time_has_a_concurrency_group,
    first_admissions_are_fifo,
    only_the_newest_of_a_group_goes_on,
)


def check(history: History) -> list[Violation]:
    """Every violation of every invariant."""
    return [violation for invariant in INVARIANTS for violation in invariant(history)]
