"""Pushes, deliveries that are lost, late, doubled and out of order, crashes between any two steps, a forge in trouble
(hypothesis): every head that stays is built, and built once unless the branch came back to it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import count
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from raibid.forge import Build, Enrolment, decide
from raibid.forge.errors import (
    ForgeFaultError,
    ForgeLimitError,
    ForgeLoginError,
    ForgeReachError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.ledger import Ledger, LedgerUnavailableError, NewJob
from raibid.local.redis_server import RedisServer
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import new_job_id
from raibid.model.push_event import ZERO_SHA, PushEvent

from tests.api.reconciled import ASKED, WRITTEN, DiedError, Pool, failing

REPOSITORIES = st.sampled_from(["acme/anvil", "acme/rocket", "acme/later"])
BRANCHES = st.sampled_from(["main", "side"])
TROUBLES = st.sampled_from(
    [ForgeFaultError, ForgeLimitError, ForgeLoginError, ForgeReachError, ForgeSilentError, ForgeUnavailableError]
)


class ManyHands(RuleBasedStateMachine):
    """People push, the forge delivers or does not, agents build, the API looks, dies and comes back."""

    server: RedisServer

    @initialize()
    def a_forge_that_was_seen(self) -> None:
        ledger = Ledger.connect(self.server.url, stream=f"r-{new_job_id()}")
        ledger.setup()
        self.pool = Pool(ledger)
        self.texts = count()
        self.deliveries: list[PushEvent] = []
        self.arrivals: Counter[tuple[str, str, str]] = Counter()
        self.pool.forge.push("acme/anvil", "main", "before the pool")
        self.pool.forge.push("acme/anvil", "side", "before the pool, too")
        self.pool.forge.push("acme/rocket", "main", "before the pool")
        self.pool.round()

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            return
        self.everything_is_well_and_each_head_is_built()
        self.pool.ledger.close()

    # --- people ----------------------------------------------------------------------------------------

    def arrive(self, repository: str, branch: str, text: str) -> None:
        home = self.pool.forge.there.get(repository)
        before = home.branches.get(branch, ZERO_SHA) if home else ZERO_SHA
        sha = self.pool.forge.push(repository, branch, text)
        if sha == before:
            return
        ref = f"refs/heads/{branch}"
        self.arrivals[repository, ref, sha] += 1
        url = f"https://git.example.test/{repository}.git"
        push = PushEvent(
            forge="gitea", repo=repository, clone_url=url, ref=ref, before=before, after=sha, default_branch="main"
        )
        self.deliveries.append(push)

    @rule(repository=REPOSITORIES, branch=BRANCHES)
    def push(self, repository: str, branch: str) -> None:
        self.arrive(repository, branch, f"commit {next(self.texts)}")

    @rule(repository=REPOSITORIES, branch=BRANCHES, data=st.data())
    def push_back_by_force(self, repository: str, branch: str, data: st.DataObject) -> None:
        ref = f"refs/heads/{branch}"
        past = sorted({sha for repo, at, sha in self.arrivals if (repo, at) == (repository, ref)})
        if past:
            sha = data.draw(st.sampled_from(past))
            self.arrive(repository, branch, self.pool.forge.messages[sha])

    @precondition(lambda self: "acme/anvil" in self.pool.forge.there)
    @rule(number=st.integers(1, 2))
    def offer(self, number: int) -> None:
        sha = self.pool.forge.offer("acme/anvil", number, f"offer {next(self.texts)}")
        self.arrivals["acme/anvil", f"refs/pull/{number}/head", sha] += 1

    @rule()
    def delete_the_side_branch(self) -> None:
        self.pool.forge.there["acme/anvil"].branches.pop("side", None)

    # --- the forge's deliveries ------------------------------------------------------------------------

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data(), again=st.booleans())
    def one_arrives(self, data: st.DataObject, again: bool) -> None:
        event = data.draw(st.sampled_from(self.deliveries))
        if not again:
            self.deliveries.remove(event)
        self.deliver(event)

    @rule(repository=REPOSITORIES, branch=BRANCHES, order=st.permutations(range(3)), lost=st.integers(0, 3))
    def a_burst_overtakes_itself(self, repository: str, branch: str, order: list[int], lost: int) -> None:
        earlier = len(self.deliveries)
        for _ in order:
            self.push(repository, branch)
        burst, self.deliveries = self.deliveries[earlier:], self.deliveries[:earlier]
        for number in order:
            if number != lost:
                self.deliver(burst[number])

    def deliver(self, event: PushEvent) -> None:
        verdict = decide(event, Enrolment.everything())
        assert isinstance(verdict, Build)
        self.pool.ledger.enqueue([NewJob(spec=verdict.spec, dedupe=verdict.dedupe, told=True)])

    @precondition(lambda self: self.deliveries)
    @rule()
    def all_that_are_under_way_are_lost(self) -> None:
        self.deliveries.clear()

    # --- agents ----------------------------------------------------------------------------------------

    @rule(outcome=st.sampled_from([JobStatus.SUCCESS, JobStatus.FAILED]))
    def an_agent_builds(self, outcome: JobStatus) -> None:
        if claim := self.pool.ledger.claim("agent"):
            self.pool.ledger.finish(claim.job.id, claim.token, outcome)

    @rule()
    def an_agent_begins(self) -> None:
        self.pool.ledger.claim(new_job_id())

    # --- the API ---------------------------------------------------------------------------------------

    @rule()
    def a_round(self) -> None:
        self.pool.round()

    @rule(step=st.sampled_from(ASKED + WRITTEN), nth=st.integers(0, 2), done=st.booleans())
    def a_round_in_which_the_api_dies(self, step: str, nth: int, done: bool) -> None:
        with failing(self.pool.forge, step, nth, DiedError(), done=done):
            try:
                self.pool.round()
            except DiedError:
                self.pool.restart()

    @rule(after=st.integers(0, 12), kind=TROUBLES)
    def a_round_in_which_the_forge_has_trouble(self, after: int, kind: type[Exception]) -> None:
        left = count()
        self.pool.forge.trouble = lambda _: kind("trouble") if next(left) >= after else None
        try:
            self.pool.round()
        finally:
            self.pool.forge.trouble = lambda _: None

    @rule(step=st.sampled_from(WRITTEN), nth=st.integers(0, 2), done=st.booleans())
    def a_round_in_which_redis_fails(self, step: str, nth: int, done: bool) -> None:
        gone = LedgerUnavailableError("gone")
        with suppress(LedgerUnavailableError), failing(self.pool.forge, step, nth, gone, done=done):
            self.pool.round()

    @rule(questions=st.integers(3, 8))
    def a_round_with_few_questions(self, questions: int) -> None:
        self.pool.now += 180.0
        self.pool.another(questions=questions).round()

    @rule()
    def two_apis_at_once(self) -> None:
        """The second looks while the first is about to enqueue."""
        other, enqueue = self.pool.another(), Ledger.enqueue

        def beaten(ledger: Ledger, jobs: Any) -> Any:
            with mock.patch.object(Ledger, "enqueue", enqueue):
                other.round()
            return enqueue(ledger, jobs)

        with mock.patch.object(Ledger, "enqueue", beaten):
            self.pool.round()

    # --- what must hold --------------------------------------------------------------------------------

    def everything_is_well_and_each_head_is_built(self) -> None:
        """A period without any trouble, and one to show that nothing was left."""
        self.pool.round()
        jobs = self.pool.jobs()
        assert self.pool.round() == 0
        assert len(self.pool.jobs()) == len(jobs)
        builds = Counter((job.spec.repo, job.spec.ref, job.spec.sha) for job in jobs if not called_off(job))
        for name, home in self.pool.forge.there.items():
            heads = {f"refs/heads/{branch}": sha for branch, sha in home.branches.items()}
            heads |= {pull.ref: pull.sha for pull in home.pulls.values()}
            for head in ((name, ref, sha) for ref, sha in heads.items()):
                if head in self.arrivals:
                    assert 1 <= builds[head] <= self.arrivals[head], (
                        head,
                        [job for job in jobs if job.spec.repo == name],
                    )


def called_off(job: Job) -> bool:
    """For another commit: it built nothing, or nothing that anybody waits for."""
    return bool(job.superseded_by) and job.status in (JobStatus.CANCELLED, JobStatus.RUNNING)


def test_whatever_happens_every_head_that_stays_is_built_and_built_once(redis_server: RedisServer) -> None:
    ManyHands.server = redis_server
    run_state_machine_as_test(ManyHands, settings=settings(max_examples=60, stateful_step_count=25))
