"""One directed story per seeded bug: step by step, no randomness, recorded like a run and judged by the same checker.

Chaos finds these bugs too, in some run; a story finds its own in every run, and a sound ledger passes all of them.

Owns: the stories.
Leaves to others: the bugs (`mutations.py`), the verdict (`checker.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from raibid.contract import GROUP
from raibid.ledger import Claim, LedgerError, NewJob, StaleTokenError
from raibid.model.job import JobSpec, JobStatus
from raibid.model.job_id import new_job_id
from raibid.model.pod import PodEnding, PodVerdict

from tests.chaos.history import Acknowledged, History, Hit
from tests.chaos.recorder import Recorder
from tests.chaos.world import JournalLedger, World, read_journal

LEASE: Final = 1.0
_IDLE_MS: Final = 60_000


class Stage:
    """A ledger with (or without) a bug, and the steps a story is told in. Looks after every step."""

    def __init__(self, redis_url: str, directory: Path, mutation: str) -> None:
        world = World(
            directory=str(directory), redis_url=redis_url, door_port=0, lease=LEASE, beat=0.3, mutation=mutation
        )
        self.ledger = JournalLedger(world, stream=f"t-{new_job_id()}")
        self.ledger.setup()
        self.recorder = Recorder(self.ledger)
        self._journal = world.journal
        self._acknowledged: list[Acknowledged] = []
        self._hits: list[Hit] = []

    def put(self, count: int = 1, group: str = "") -> list[str]:
        """Enqueue jobs of one repository."""
        spec = JobSpec(repo="acme/app", clone_url="https://forge.test/acme/app.git", ref="refs/heads/main", group=group)
        jobs = [NewJob(spec=spec, dedupe=new_job_id()) for _ in range(count)]
        made = self.ledger.enqueue(jobs)
        self._acknowledged += [Acknowledged(m.id, j.dedupe, m.created) for m, j in zip(made, jobs, strict=True)]
        self.recorder.look()
        return [m.id for m in made]

    def take(self, owner: str) -> Claim | None:
        """An agent claims."""
        claim = self.ledger.claim(owner)
        self.recorder.look()
        return claim

    def join(self, claim: Claim | None, *, supersede: bool = False) -> None:
        """An agent has read in the file that its job is a deployment, of which one runs at a time."""
        if claim:
            self.ledger.join_as(claim.job.owner, claim, supersede=supersede)
            self.recorder.look()

    def end(self, claim: Claim | None, owner: str) -> None:
        """An agent finishes, or is told that it is too late."""
        if claim is None:
            return
        try:
            self.ledger.finish_as(owner, claim, JobStatus.SUCCESS)
        except StaleTokenError:
            pass  # fenced, as it should be; the journal has it
        finally:
            self.recorder.look()

    def lose_lease(self, claim: Claim) -> None:
        """The agent has been silent for longer than the lease."""
        self._hits.append(Hit(claim.job.owner, "SIGSTOP", time.time()))
        while int(self.ledger.client.info("server")["uptime_in_seconds"]) < LEASE:
            time.sleep(0.02)  # just after Redis' start no lease is judged
        entry = self.ledger.client.hget(self.ledger.keys.job + claim.job.id, "entry") or b""
        self.ledger.client.xclaim(
            self.ledger.keys.stream, GROUP, claim.job.owner, 0, [entry], idle=_IDLE_MS, justid=True
        )

    def history(self) -> History:
        """What was recorded, with the records as they are now."""
        return History(
            timeline=self.recorder.timeline,
            acknowledged=self._acknowledged,
            notes=read_journal(self._journal),
            jobs=self.recorder.records(),
            rest=self.recorder.look().depth,
            lease=LEASE,
            hits=self._hits,
        )


def zombie_wakes_up(stage: Stage) -> None:
    """Two agents build one job, because the first one's lease was lost; the zombie is the first to be done."""
    stage.put()
    zombie = stage.take("zombie")
    assert zombie
    stage.lose_lease(zombie)
    heir = stage.take("heir")
    stage.end(zombie, "zombie")
    stage.end(heir, "heir")


def agent_dies_while_it_finishes(stage: Stage) -> None:
    """Whatever step finish is in when the agent dies, the entry and the record agree."""
    stage.put()
    claim = stage.take("agent")
    assert claim
    stage.ledger.first_step_of_finish(claim, JobStatus.SUCCESS)
    stage.recorder.look()


def sweeper_comes_by(stage: Stage) -> None:
    """The sweeper meets a consumer that has a job."""
    stage.put()
    claim = stage.take("busy")
    assert claim
    time.sleep(0.002)  # idle for longer than 0 ms is the least there is
    stage.ledger.tick()
    stage.recorder.look()
    stage.end(claim, "busy")


def repository_is_limited(stage: Stage) -> None:
    """Three jobs of a repository that may have one at once."""
    stage.ledger.set_limit("repo", "acme/app", 1)
    stage.put(3)
    for number in range(3):
        stage.end(stage.take(f"agent-{number}"), f"agent-{number}")


def queue_is_paused(stage: Stage) -> None:
    """A pause comes while entries wait in the stream."""
    stage.put(2)
    stage.ledger.pause()
    stage.recorder.look()
    stage.ledger.resume()
    for number in range(2):
        stage.end(stage.take(f"agent-{number}"), f"agent-{number}")


def cancelled_job_loses_its_agent(stage: Stage) -> None:
    """A running job is cancelled, and its agent dies before it hears of it."""
    (job,) = stage.put()
    claim = stage.take("deaf")
    assert claim
    stage.recorder.cancel(job)
    stage.lose_lease(claim)
    stage.end(stage.take("heir"), "heir")


def a_branch_is_pushed_twice(stage: Stage) -> None:
    """The second push comes while an agent has the first one's job; that agent dies."""
    stage.put(group="branch")
    first = stage.take("first")
    assert first
    stage.put(group="branch")
    stage.lose_lease(first)
    for number in range(2):
        stage.end(stage.take(f"agent-{number}"), f"agent-{number}")


def two_deployments_come_at_once(stage: Stage) -> None:
    """Three jobs are of one concurrency group; the one that has it loses its agent, another is cancelled."""
    stage.put(3)
    first, second, third = (stage.take(f"agent-{number}") for number in range(3))
    assert first
    assert second
    assert third
    stage.join(first)
    stage.join(second)
    stage.recorder.cancel(third.job.id)
    stage.join(third, supersede=True)
    stage.lose_lease(first)
    for owner in ("heir", "next"):
        claim = stage.take(owner)
        stage.join(claim)
        stage.end(claim, owner)


def end_of_a_pod_is_told_late(stage: Stage) -> None:
    """By the time that anybody hears how the first agent's pod ended, another agent has its job."""
    stage.put()
    first = stage.take("first")
    assert first
    stage.lose_lease(first)
    heir = stage.take("heir")
    stage.ledger.pod_ended(PodEnding(pod="first", reason="NodeLost"), PodVerdict.LOST)
    stage.recorder.look()
    stage.end(heir, "heir")


SCENARIOS: Final[dict[str, Callable[[Stage], None]]] = {
    "no-fencing": zombie_wakes_up,
    "split-finish": agent_dies_while_it_finishes,
    "delete-busy-consumer": sweeper_comes_by,
    "no-limit": repository_is_limited,
    "no-trim": queue_is_paused,
    "deaf-claim": cancelled_job_loses_its_agent,
    "blind-enqueue": a_branch_is_pushed_twice,
    "crowded-group": two_deployments_come_at_once,
    "hasty-coroner": end_of_a_pod_is_told_late,
}
"""The story in which each bug shows."""


def play(story: Callable[[Stage], None], redis_url: str, directory: Path, mutation: str = "") -> History:
    """Tell a story to a ledger of its own."""
    stage = Stage(redis_url, directory, mutation)
    try:
        story(stage)
    except LedgerError:
        if not mutation:
            raise  # a bug may well break the story; what was recorded until then is enough
    try:
        return stage.history()
    finally:
        stage.ledger.close()
