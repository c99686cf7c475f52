"""Whatever happens in whatever order, the ledger's invariants hold after every single step (hypothesis)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from msgspec import structs
from raibid.ledger import Beat, Claim, Joined, Ledger, StaleTokenError, Timing
from raibid.local.redis_server import RedisServer
from raibid.model.job import PENDING, Job, JobEvent, JobStatus, Priority, next_status
from raibid.model.job_id import new_job_id
from raibid.model.pod import PodEnding, PodVerdict

from tests.ledger.conftest import LEASE, entry_of, new, uptime

REPOS = st.sampled_from(["a/a", "b/b", "c/c"])
OUTCOMES = st.sampled_from([JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED])


class AnyOrder(RuleBasedStateMachine):
    """Every step of the API, of agents and of people, against a real Redis."""

    server: RedisServer
    jobs: Bundle[str] = Bundle("jobs")
    claims: Bundle[Claim] = Bundle("claims")
    handed_back: Bundle[Claim] = Bundle("handed_back")

    @initialize()
    def an_empty_ledger(self) -> None:
        self.ledger = Ledger.connect(self.server.url, stream=f"s-{new_job_id()}", timing=Timing(LEASE, 1))
        self.ledger.setup()
        self.cancelled: set[str] = set()
        self.holder: dict[str, str] = {}  # job → the token of its latest claim
        self.released: dict[str, str] = {}  # job → the token that handed it back last
        self.pods_told: set[str] = set()
        self.forge: dict[str, JobStatus] = {}  # job → the status its forge was told last

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    @rule(
        target=jobs,
        repo=REPOS,
        hold=st.booleans(),
        gpu=st.booleans(),
        priority=st.sampled_from(Priority),
        group=st.sampled_from(["", "", "branch"]),
    )
    def enqueue(self, repo: str, hold: bool, gpu: bool, priority: Priority, group: str) -> str:
        group = group and f"{repo}|{group}"
        job = new(repo, hold=hold, priority=priority, resource="gpu" if gpu else "", group=group, max_attempts=2)
        assert self.ledger.enqueue([job, job])[1].id == job.id
        return job.id

    @rule(target=claims)
    def an_agent_comes(self) -> Any:
        return self.claim()

    def claim(self) -> Any:
        claim = self.ledger.claim(f"agent-{new_job_id()}")
        if claim is None:
            return multiple()
        assert claim.job.id not in self.cancelled, "started after an acknowledged cancel"
        assert not claim.job.superseded_by, "started after a newer job of its group had come"
        self.holder[claim.job.id] = claim.token
        return claim

    @rule(claim=consumes(claims), outcome=OUTCOMES)
    def finish(self, claim: Claim, outcome: JobStatus) -> None:
        try:
            self.ledger.finish(claim.job.id, claim.token, outcome)
            self.ledger.finish(claim.job.id, claim.token, outcome)
            assert self.holder[claim.job.id] == claim.token, "a zombie finished somebody else's build"
        except StaleTokenError:
            assert self.ledger.beat(claim.job.id, claim.token) is Beat.STALE

    @rule(target=handed_back, claim=consumes(claims), refund=st.booleans())
    def release(self, claim: Claim, refund: bool) -> Any:
        try:
            self.ledger.release(claim.job.id, claim.token, "", refund=refund)
            self.released[claim.job.id] = claim.token
        except StaleTokenError:
            assert self.ledger.beat(claim.job.id, claim.token) is Beat.STALE
        return claim

    @rule(claim=claims)
    def beat(self, claim: Claim) -> None:
        answer = self.ledger.beat(claim.job.id, claim.token)
        called_off = claim.job.id in self.cancelled or bool(self.record(claim.job.id).superseded_by)
        assert (answer is Beat.CANCEL) <= called_off

    @rule(claim=claims, group=st.sampled_from(["x", "y"]), supersede=st.booleans())
    def join(self, claim: Claim, group: str, supersede: bool) -> None:
        before = self.record(claim.job.id)
        try:
            answer = self.ledger.join(claim.job.id, claim.token, group, supersede=supersede)
            after = self.record(claim.job.id)
            assert self.ledger.join(claim.job.id, claim.token, group, supersede=supersede) is answer
        except StaleTokenError:
            assert self.ledger.beat(claim.job.id, claim.token) is Beat.STALE
            return
        if answer is Joined.OK:
            assert (after.status, after.attempt) == (JobStatus.RUNNING, before.attempt)
        else:
            self.released[claim.job.id] = claim.token
            assert answer is Joined.WAIT or after.status is JobStatus.CANCELLED

    @rule(target=claims, claim=claims)
    def the_lease_is_lost_and_another_agent_comes(self, claim: Claim) -> Any:
        if self.ledger.beat(claim.job.id, claim.token) is not Beat.STALE:
            entry, idle = entry_of(self.ledger, claim.job.id), int(LEASE * 1000) + 1000
            self.ledger.client.xclaim(
                self.ledger.keys.stream, "ci-workers", claim.job.owner, 0, [entry], idle=idle, justid=True
            )
        return self.claim()

    @rule(claim=claims | handed_back, verdict=st.sampled_from(PodVerdict), disruption=st.booleans())
    def its_pod_ended(self, claim: Claim, verdict: PodVerdict, disruption: bool) -> None:
        job_id, pod = claim.job.id, claim.job.owner
        before, told = self.record(job_id), pod in self.pods_told
        status = self.ledger.pod_ended(PodEnding(pod=pod, reason="x", disruption=disruption), verdict)
        after = self.record(job_id)
        assert status is after.status
        self.pods_told.add(pod)
        assert [p.pod for p in after.pods].count(pod) == 1, "recorded once, however often it was told"
        inherited = verdict is PodVerdict.FAIL and self.released.get(job_id) == claim.token
        its_own = (before.owner == pod or inherited) and not told and verdict is not PodVerdict.NONE
        if before.status.terminal or not its_own:
            assert (after.status, after.attempt) == (before.status, before.attempt)
        elif verdict is PodVerdict.FAIL:
            assert after.status in (JobStatus.FAILED, JobStatus.CANCELLED)
        else:
            assert after.status is not JobStatus.RUNNING
            assert self.ledger.beat(job_id, claim.token) is Beat.STALE

    @rule(pods=st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from(["ErrImagePull", "Unschedulable"])))
    def agents_cannot_start(self, pods: dict[str, str]) -> None:
        self.ledger.pods_stuck(pods)
        queued = self.ledger.records.page(limit=1000, status=frozenset({JobStatus.QUEUED})).jobs
        assert all(("cannot start" in job.reason) == bool(pods) for job in queued)

    @rule(late=st.booleans())
    def the_forge_is_told(self, late: bool) -> None:
        for job_id in self.ledger.untold():
            job = self.record(job_id)
            told = structs.replace(job, status=JobStatus.RUNNING) if late else job
            assert self.ledger.told(job_id, told) == (told == job)
            self.forge[job_id] = told.status

    def record(self, job_id: str) -> Job:
        found = self.ledger.records.get(job_id)
        assert found is not None
        return found

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        if self.ledger.cancel(job) in (JobStatus.RUNNING, JobStatus.CANCELLED):
            self.cancelled.add(job)

    @rule(job=jobs)
    def approve(self, job: str) -> None:
        self.ledger.approve(job, "ann")

    @rule(job=jobs)
    def bury(self, job: str) -> None:
        self.ledger.bury(job, "poison")

    @rule(target=jobs, job=jobs)
    def retry(self, job: str) -> Any:
        found = self.ledger.records.get(job)
        assert found is not None
        return self.ledger.retry(job).id if found.status.terminal else multiple()

    @rule(size=st.integers(0, 4))
    def window(self, size: int) -> None:
        self.ledger.set_window(size)

    @rule(repo=st.sampled_from(["*", "a/a"]), limit=st.sampled_from([None, 0, 1, 2]))
    def limit(self, repo: str, limit: int | None) -> None:
        self.ledger.set_limit("repo", repo, limit)

    @rule(limit=st.sampled_from([None, 1]))
    def one_gpu(self, limit: int | None) -> None:
        self.ledger.set_limit("resource", "gpu", limit)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        (self.ledger.pause if paused else self.ledger.resume)()

    @rule()
    def tick(self) -> None:
        self.ledger.tick()

    @invariant()
    def the_stream_never_exceeds_the_window_but_for_claimed_jobs(self) -> None:
        d = self.ledger.depth()
        assert d.stream <= max(0 if d.paused else d.window, d.claimed)
        for repo, count in d.repos.items():
            limit = d.limits.get(f"repo:{repo}", d.limits.get("repo:*"))
            assert limit is None or count <= max(limit, d.claimed_repos.get(repo, 0))
        gpu = d.limits.get("resource:gpu")
        assert gpu is None or d.resources.get("gpu", 0) <= max(gpu, d.claimed_resources.get("gpu", 0))
        assert d.admit_errors == 0

    @invariant()
    def every_job_is_in_exactly_the_place_its_status_says(self) -> None:
        found = self.ledger.records.page(limit=1000).jobs
        count = Counter(j.status for j in found)
        d = self.ledger.depth()
        assert count[JobStatus.HELD] == d.held
        assert count[JobStatus.WAITING] == d.waiting
        assert count[JobStatus.QUEUED] + count[JobStatus.RUNNING] == d.stream
        assert count[JobStatus.RUNNING] == d.claimed

    @invariant()
    def the_forge_knows_or_is_to_be_told(self) -> None:
        untold = set(self.ledger.untold(1000))
        for job in self.ledger.records.page(limit=1000).jobs:
            pending = {job.status, self.forge.get(job.id)} <= PENDING
            assert job.id in untold or pending or self.forge[job.id] is job.status

    @invariant()
    def one_job_of_a_concurrency_group_runs_at_a_time(self) -> None:
        active = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})
        found = self.ledger.records.page(limit=1000, status=active).jobs
        lanes = [self.ledger.records.raw(job.id)["lane"].split("|") for job in found]
        count = Counter((repo, *group) for repo, _, *group in lanes if group)
        assert all(number == 1 for number in count.values())

    @invariant()
    def one_job_of_a_superseding_group_is_wanted(self) -> None:
        found = self.ledger.records.page(limit=1000).jobs
        wanted = [job for job in found if not job.status.terminal and not job.superseded_by]
        groups = Counter(self.ledger.records.raw(job.id)["group"] for job in wanted)
        assert all(number == 1 for group, number in groups.items() if group)

    @invariant()
    def only_jobs_that_wait_for_an_agent_say_that_none_can_start(self) -> None:
        for job in self.ledger.records.page(limit=1000).jobs:
            assert "cannot start" not in job.reason or job.status is JobStatus.QUEUED

    @invariant()
    def nothing_waits_that_may_run(self) -> None:
        d = self.ledger.depth()
        if d.paused or d.stream >= d.window:
            return
        for job in self.ledger.records.page(limit=1000, status=frozenset({JobStatus.WAITING})).jobs:
            assert self.ledger.why(job.id).blocked_by

    @invariant()
    def every_transition_was_legal_and_none_is_missing(self) -> None:
        standing: dict[str, JobStatus] = {}
        entries: Any = self.ledger.client.xrange(self.ledger.keys.events)
        for _, raw in entries:
            e = {k.decode(): v.decode() for k, v in raw.items()}
            if e["event"] != JobEvent.CREATE:
                assert e["from"] == standing[e["job"]]
                assert next_status(standing[e["job"]], JobEvent(e["event"])) == e["to"]
            standing[e["job"]] = JobStatus(e["to"])
        assert standing == {j.id: j.status for j in self.ledger.records.page(limit=1000).jobs}


def test_invariants_hold_in_any_order_of_steps(redis_server: RedisServer) -> None:
    probe = Ledger.connect(redis_server.url)
    while uptime(probe) < LEASE:  # before that, leases are not judged
        pass
    AnyOrder.server = redis_server
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.parametrize("event", JobEvent)
def test_no_event_leaves_a_terminal_status(event: JobEvent) -> None:
    if event is not JobEvent.CREATE:
        for status in JobStatus:
            if status.terminal:
                with pytest.raises(ValueError, match="cannot"):
                    next_status(status, event)
