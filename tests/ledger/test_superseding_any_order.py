"""Pushes to one branch, delivered late, twice and out of order, beside agents and people (hypothesis): the newest
push always survives, one job of the branch is wanted at most, and nothing goes that was not superseded."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from raibid.ledger import Beat, Claim, Ledger, NewJob, StaleTokenError, Timing
from raibid.local.redis_server import RedisServer
from raibid.model.job import Job, JobSpec, JobStatus
from raibid.model.job_id import new_job_id

from tests.ledger.conftest import LEASE, entry_of, uptime

GROUP = "acme/app|refs/heads/feature"
OUTCOMES = st.sampled_from([JobStatus.SUCCESS, JobStatus.FAILED])
Push = tuple[str, str]  # the commit, and the one it was pushed upon


class OneBranch(RuleBasedStateMachine):
    """The forge pushes, its deliveries take their time, agents and people do what they do."""

    server: RedisServer
    claims: Bundle[Claim] = Bundle("claims")

    @initialize(size=st.sampled_from([0, 1, 4]))
    def an_empty_ledger(self, size: int) -> None:
        self.ledger = Ledger.connect(self.server.url, stream=f"s-{new_job_id()}", timing=Timing(LEASE, 1))
        self.ledger.setup()
        self.ledger.set_window(size)
        self.head = ""
        self.overtaken: list[Push] = []
        self.delivered: list[Push] = []
        self.newest: str = ""  # the job of the newest push, or its retry
        self.called_off: set[str] = set()  # by a person, or by an agent that heard of it

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    def deliver(self, push: Push) -> str:
        sha, before = push
        spec = JobSpec(
            repo="acme/app", clone_url="https://forge.test/a.git", ref="refs/heads/feature", sha=sha, before=before,
            group=GROUP,
        )  # fmt: skip
        self.delivered.append(push)
        return self.ledger.enqueue([NewJob(spec=spec, dedupe=f"{GROUP}|{sha}")])[0].id

    def commit(self) -> Push:
        sha, before = f"{len(self.delivered) + len(self.overtaken) + 1:040x}", self.head
        self.head = sha
        return sha, before

    @rule()
    def push(self) -> None:
        self.newest = self.deliver(self.commit())

    @rule()
    def push_twice_and_the_second_comes_first(self) -> None:
        self.overtaken.append(self.commit())
        self.push()

    @precondition(lambda self: self.overtaken)
    @rule(data=st.data())
    def an_overtaken_delivery_comes(self, data: st.DataObject) -> None:
        late = data.draw(st.sampled_from(self.overtaken))
        self.overtaken.remove(late)
        assert self.record(self.deliver(late)).superseded_by

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def a_delivery_comes_again(self, data: st.DataObject) -> None:
        # The push upon the head cannot be told from the same push made anew, so it is not among them.
        known = [push for push in self.delivered if push[1] != self.head]
        if known:
            before = {job.id: (job.status, job.superseded_by) for job in self.jobs()}
            self.deliver(data.draw(st.sampled_from(known)))
            assert {job.id: (job.status, job.superseded_by) for job in self.jobs()} == before

    @precondition(lambda self: self.delivered and not self.overtaken)
    @rule(data=st.data())
    def the_branch_is_set_back(self, data: st.DataObject) -> None:
        known = sorted({job.spec.sha for job in self.jobs()} - {self.head})
        if known:
            back = data.draw(st.sampled_from(known))
            self.newest, self.head = self.deliver((back, self.head)), back

    @rule(target=claims)
    def an_agent_comes(self) -> Any:
        claim = self.ledger.claim(f"agent-{new_job_id()}")
        if claim is None:
            return multiple()
        assert not claim.job.superseded_by
        return claim

    @rule(claim=claims)
    def beat(self, claim: Claim) -> None:
        if self.ledger.beat(claim.job.id, claim.token) is Beat.CANCEL:
            self.called_off.add(claim.job.id)
            self.ledger.finish(claim.job.id, claim.token, JobStatus.CANCELLED)

    @rule(claim=consumes(claims), outcome=OUTCOMES)
    def finish(self, claim: Claim, outcome: JobStatus) -> None:
        try:
            self.ledger.finish(claim.job.id, claim.token, outcome)
        except StaleTokenError:
            assert self.record(claim.job.id).status.terminal or self.record(claim.job.id).owner != claim.job.owner

    @rule(claim=claims)
    def its_lease_is_lost(self, claim: Claim) -> None:
        if self.ledger.beat(claim.job.id, claim.token) is not Beat.STALE:
            entry, idle = entry_of(self.ledger, claim.job.id), int(LEASE * 1000) + 1000
            self.ledger.client.xclaim(
                self.ledger.keys.stream, "ci-workers", claim.job.owner, 0, [entry], idle=idle, justid=True
            )
            self.ledger.tick()

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def somebody_cancels(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.jobs()))
        if self.ledger.cancel(job.id) in (JobStatus.CANCELLED, JobStatus.RUNNING):
            self.called_off.add(job.id)

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def somebody_retries(self, data: st.DataObject) -> None:
        ended = [job for job in self.jobs() if job.status.terminal]
        if ended:
            old = data.draw(st.sampled_from(ended))
            made = self.ledger.retry(old.id).id
            if self.record(made).spec.sha == self.head:
                self.newest = made

    def jobs(self) -> list[Job]:
        return self.ledger.records.page(limit=1000).jobs

    def record(self, job_id: str) -> Job:
        found = self.ledger.records.get(job_id)
        assert found is not None
        return found

    @invariant()
    def the_newest_push_survives(self) -> None:
        if self.newest:
            newest = self.record(self.newest)
            assert newest.spec.sha == self.head
            assert not newest.superseded_by
            assert newest.status is not JobStatus.CANCELLED or newest.id in self.called_off

    @invariant()
    def one_job_of_the_group_is_wanted_at_most(self) -> None:
        in_group = [job for job in self.jobs() if self.ledger.records.raw(job.id)["group"] == GROUP]
        wanted = [job.id for job in in_group if not job.status.terminal and not job.superseded_by]
        assert wanted in ([], [self.newest])

    @invariant()
    def whoever_is_cancelled_was_superseded_or_called_off(self) -> None:
        for job in self.jobs():
            if job.status is JobStatus.CANCELLED:
                assert job.id in self.called_off or job.superseded_by
                assert not job.superseded_by or job.reason == f"superseded by {job.superseded_by}"

    @invariant()
    def whoever_supersedes_is_there_and_was_not_superseded_in_a_circle(self) -> None:
        by = {job.id: job.superseded_by for job in self.jobs()}
        for job_id in by:
            seen = {job_id}
            while job_id := by[job_id]:
                assert job_id not in seen
                seen.add(job_id)


def test_the_newest_push_survives_whatever_comes_when(redis_server: RedisServer) -> None:
    probe = Ledger.connect(redis_server.url)
    while uptime(probe) < LEASE:  # before that, leases are not judged
        pass
    OneBranch.server = redis_server
    run_state_machine_as_test(
        OneBranch,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
