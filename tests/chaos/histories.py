"""Small histories to judge, put together by hand.

Owns: a good run, and how to spoil it in one place.
Leaves to others: what is wrong with which (`violating.py`, `test_checker.py`).
"""

from __future__ import annotations

import msgspec
from raibid.ledger import Depth
from raibid.model.job import Job, JobSpec, JobStatus

from tests.chaos.history import Acknowledged, Audit, Claimed, Finished, History, Owned, Transition

EMPTY = Depth(
    stream=0, claimed=0, pending=0, waiting=0, held=0, dead=0, window=2, paused=False, repos={}, claimed_repos={},
    resources={}, claimed_resources={}, limits={}, admit_errors=0,
)  # fmt: skip


def record(
    job: str, status: JobStatus = JobStatus.SUCCESS, *, attempt: int = 1, owner: str = "agent", **spec_: object
) -> Job:
    about = {"repo": "acme/app", "clone_url": "https://forge.test/a.git", "ref": "refs/heads/main", **spec_}
    spec = msgspec.convert(about, JobSpec)
    return Job(id=job, spec=spec, status=status, attempt=attempt, max_attempts=3, owner=owner)


def at(seconds: float) -> str:
    return f"{seconds * 1000:.0f}-0"


def born(job: str, when: float = 0) -> Transition:
    return Transition(job, "create", "", "waiting", id=at(when))


def admitted(job: str, when: float = 0) -> Transition:
    return Transition(job, "admit", "waiting", "queued", id=at(when))


def claimed(job: str, before: str = "queued", attempt: int = 1, when: float = 0) -> Transition:
    return Transition(job, "claim", before, "running", attempt, id=at(when))


def succeeded(job: str, when: float = 0) -> Transition:
    return Transition(job, "succeed", "running", "success", 1, id=at(when))


def life(job: str) -> list[Transition]:
    return [born(job), admitted(job), claimed(job), succeeded(job)]


def a_good_run() -> History:
    """One job, from its delivery to its success, looked at all the time."""
    empty, busy = Audit(EMPTY, ()), msgspec.structs.replace(EMPTY, stream=1, claimed=1, pending=1)
    return History(
        timeline=[empty, born("a"), admitted("a"), claimed("a"), Audit(busy, ("a",)), succeeded("a"), empty],
        acknowledged=[Acknowledged("a", "key-a", True), Acknowledged("a", "key-a", False)],
        notes=[Claimed("a", "t", "agent"), Finished("a", "t", "agent", "success")],
        jobs={"a": record("a")},
        rest=EMPTY,
        lease=2,
        agents=1,
        most_agents=1,
        max_agents=2,
        drained=0.5,
    )


def but(**changes: object) -> History:
    return msgspec.structs.replace(a_good_run(), **changes)


def seen(depth: Depth) -> History:
    return but(timeline=[*a_good_run().timeline, Audit(depth, ())])


def look(**changes: object) -> Depth:
    return msgspec.structs.replace(EMPTY, **changes)


def lost(*then: Transition, **changes: object) -> History:
    """Job a: claimed by `agent` at 1 s, by `heir` at 5 s."""
    notes = [Claimed("a", "t", "agent"), Claimed("a", "u", "heir"), *changes.pop("notes", [])]  # type: ignore[misc]
    steps = [*life("a")[:2], claimed("a", when=1), Owned("a", "agent"), claimed("a", "running", 2, when=5)]
    return but(timeline=[*steps, Owned("a", "heir"), *then], notes=notes, **changes)


def of_a_group(steps: list[Transition], **superseded_by: str) -> History:
    """Jobs a and b of one superseding group."""
    jobs = {job: record(job, group="branch") for job in ("a", "b")}
    for job, by in superseded_by.items():
        jobs[job] = msgspec.structs.replace(jobs[job], superseded_by=by)
    return but(timeline=steps, jobs=jobs)


def calm(steps: list[Transition]) -> History:
    """The last fault was undone at 10 s, the run ended at 20 s."""
    return but(timeline=steps, calm=10.0, drained=10.0, stay_bound=6.0, end_bound=8.0)


JOBS = {
    "a": record("a", repo="acme/a"),
    "a-gpu": record("a-gpu", repo="acme/a", resource="gpu"),
    "b1": record("b1", repo="acme/b"),
    "b2": record("b2", repo="acme/b"),
    "c": record("c", repo="acme/c"),
    "low1": record("low1", repo="acme/b", priority=3),
    "low2": record("low2", repo="acme/b", priority=3),
    "high1": record("high1", repo="acme/b", priority=1),
    "high2": record("high2", repo="acme/b", priority=1),
}


def turns(jobs: list[str], steps: list[Transition], unlimited: tuple[str, ...] = ("acme/a",)) -> History:
    return but(timeline=[*map(born, jobs), *steps], jobs=JOBS, unlimited=unlimited)


def passes(job: str) -> list[Transition]:
    return life(job)[1:]
