"""Whatever jobs, forge and API do in whatever order, the forge's last word of a job is the job's state (hypothesis)."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)
from raibid.forge.commit_status import STATES
from raibid.ledger import Claim, Ledger, NewJob, StaleTokenError
from raibid.local.redis_server import RedisServer
from raibid.model.job import Job, JobStatus
from raibid.model.job_id import new_job_id

from tests.api.conftest import spec
from tests.api.status_line import DiedError, DyingClient, Line
from tests.forge.fake_forge import FakeForge

REPOSITORIES = st.sampled_from(["acme/anvil", "acme/rocket", "acme/glue"])
OUTCOMES = st.sampled_from([JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED])


def sha_of(job_id: str) -> str:
    return hashlib.sha1(job_id.encode(), usedforsecurity=False).hexdigest()


class AnyOrder(RuleBasedStateMachine):
    """People, agents, a forge in trouble, and API processes that come and go, against a real Redis and real HTTP."""

    server: RedisServer
    directory: Path
    jobs: Bundle[str] = Bundle("jobs")
    claims: Bundle[Claim] = Bundle("claims")

    @initialize()
    def an_empty_ledger_and_a_forge(self) -> None:
        self.ledger = Ledger.connect(self.server.url, stream=f"s-{new_job_id()}")
        self.ledger.setup()
        self.forge = FakeForge()
        self.forge.start()
        self.line = Line(self.ledger, self.forge, self.forge.credentials(self.directory / "credentials"))
        self.sha: dict[str, str] = {}
        self.repo: dict[str, str] = {}
        self.retried: set[str] = set()

    # --- what happens to jobs --------------------------------------------------------------------------

    @rule(target=jobs, repo=REPOSITORIES, hold=st.booleans())
    def a_push(self, repo: str, hold: bool) -> str:
        job_id = new_job_id()
        self.repo[job_id], self.sha[job_id] = repo, sha_of(job_id)
        asked = spec(forge="gitea", repo=repo, sha=self.sha[job_id])
        self.ledger.enqueue([NewJob(id=job_id, spec=asked, dedupe=job_id, hold=hold, max_attempts=2)])
        return job_id

    @rule(target=jobs, job=jobs, hold=st.booleans())
    def a_retry(self, job: str, hold: bool) -> Any:
        return self._retry(job, hold=hold) or multiple()

    @rule(target=jobs, claim=claims)
    def a_retry_of_a_failure_whose_answer_is_lost(self, claim: Claim) -> Any:
        self.an_end(claim, JobStatus.FAILED)
        self.forge.loses_answers = True
        self.line.later()
        self.forge.loses_answers = False
        return self._retry(claim.job.id) or multiple()

    def _retry(self, job: str, *, hold: bool = False) -> str:
        if job in self.retried or not self._read(job).status.terminal:
            return ""  # of two retries of one job the one that changed last is shown, as of two branches
        self.retried.add(job)
        new = self.ledger.retry(job, hold=hold).id
        self.repo[new], self.sha[new] = self.repo[job], self.sha[job]
        return new

    def _read(self, job_id: str) -> Job:
        job = self.ledger.records.get(job_id)
        assert job is not None
        return job

    @rule(target=claims)
    def a_claim(self) -> Any:
        claim = self.ledger.claim(f"agent-{new_job_id()}")
        return multiple() if claim is None else claim

    @rule(claim=claims, outcome=OUTCOMES)
    def an_end(self, claim: Claim, outcome: JobStatus) -> None:
        with suppress(StaleTokenError):
            self.ledger.finish(claim.job.id, claim.token, outcome)

    @rule(claim=claims, refund=st.booleans())
    def a_release(self, claim: Claim, refund: bool) -> None:
        with suppress(StaleTokenError):
            self.ledger.release(claim.job.id, claim.token, "SIGTERM", refund=refund)

    @rule(job=jobs)
    def a_cancel(self, job: str) -> None:
        self.ledger.cancel(job)

    @rule(job=jobs)
    def an_approval(self, job: str) -> None:
        self.ledger.approve(job, "somebody")

    @rule(job=jobs)
    def a_burial(self, job: str) -> None:
        self.ledger.bury(job, "the operator's word")

    @rule(paused=st.booleans())
    def a_pause_or_its_end(self, paused: bool) -> None:
        (self.ledger.pause if paused else self.ledger.resume)()

    # --- what happens to the forge ---------------------------------------------------------------------

    @rule(up=st.booleans())
    def the_forge_stops_or_starts(self, up: bool) -> None:
        if up != self.forge.up:
            (self.forge.start if up else self.forge.stop)()

    @rule(status=st.sampled_from([0, 401, 403, 429, 500, 502, 503]))
    def the_forge_is_in_trouble_or_out_of_it(self, status: int) -> None:
        self.forge.words = "token does not have at least one of required scope(s)"
        self.forge.trouble = lambda asked: status if asked.startswith("POST") else 0

    @rule(repo=REPOSITORIES, status=st.sampled_from([401, 403, 429, 500, 502, 504]))
    def it_is_in_trouble_with_one_repository(self, repo: str, status: int) -> None:
        self.forge.words = "token scope is limited to public repos"
        self.forge.trouble = lambda asked: status if asked.startswith("POST") and f"/{repo}/" in asked else 0

    @rule(lost=st.booleans())
    def answers_are_lost_or_not(self, lost: bool) -> None:
        self.forge.loses_answers = lost

    # --- what the API does -----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 1.0, 30.0, 700.0]))
    def a_round(self, seconds: float) -> None:
        self.line.now += seconds
        self.line.round()

    @rule(job=jobs, happens=st.sampled_from(["cancel", "approve", "retry", "claim and end", "claim"]))
    def a_round_in_which_something_happens(self, job: str, happens: str) -> None:
        def meanwhile() -> None:
            self.forge.meanwhile = lambda: None
            if happens == "cancel":
                self.ledger.cancel(job)
            elif happens == "approve":
                self.ledger.approve(job, "somebody")
            elif happens == "retry":
                self._retry(job)
            elif (claim := self.ledger.claim("agent-in-between")) and happens == "claim and end":
                self.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)

        self.forge.meanwhile = meanwhile
        self.line.round()
        self.forge.meanwhile = lambda: None

    @rule()
    def a_restart(self) -> None:
        self.line.restart()

    @rule()
    def a_death_between_telling_and_noting_so(self) -> None:
        self.line.restart(DyingClient)
        with suppress(DiedError):
            self.line.round()
        self.line.restart()

    @rule(job=jobs)
    def two_apis_of_which_one_is_late(self, job: str) -> None:
        """The late one has read the job before it changed, and its word reaches the forge after the other's."""
        late = Line(self.ledger, self.forge, self.line.credentials, now=self.line.now)

        def meanwhile() -> None:
            self.forge.meanwhile = lambda: None
            if claim := self.ledger.claim("agent-in-between"):
                self.ledger.finish(claim.job.id, claim.token, JobStatus.FAILED)
            self._retry(job)
            self.line.round()

        # Before the late one's word is taken, not after: it is then the last.
        before = self.forge.trouble

        def trouble(asked: str) -> int:
            self.forge.trouble = before
            if asked.startswith("POST"):
                meanwhile()
            return before(asked)

        self.forge.trouble = trouble
        late.round()
        self.forge.trouble = before

    # --- what must hold --------------------------------------------------------------------------------

    @rule()
    def once_all_is_well_the_forge_shows_every_job_as_it_is(self) -> None:
        self._heal()
        self._later(3)  # what got no answer is told twice, what a retry of such a job said as well
        assert self.ledger.untold(1_000) == [], "nothing happens meanwhile: all is told"
        self._all_is_shown_but_of("")

    @rule(bad=REPOSITORIES)
    def while_one_repository_never_gets_an_answer_all_others_are_shown_as_they_are(self, bad: str) -> None:
        self._heal()
        self.forge.trouble = lambda asked: 504 if f"/{bad}/" in asked else 0
        self._later(4)  # one of its jobs may be first at the start, when every repository is in trouble
        self._all_is_shown_but_of(bad)

    def _heal(self) -> None:
        self.forge.trouble, self.forge.loses_answers = lambda _: 0, False
        if not self.forge.up:
            self.forge.start()

    def _later(self, times: int) -> None:
        for _ in range(times):
            self.line.later()

    def _all_is_shown_but_of(self, bad: str) -> None:
        for job_id in set(self.sha) - self.retried:
            if self.repo[job_id] != bad:
                status = self._read(job_id).status
                assert self.forge.shown(self.sha[job_id]) == STATES[status], status

    def teardown(self) -> None:
        if hasattr(self, "line"):
            try:
                self.once_all_is_well_the_forge_shows_every_job_as_it_is()
            finally:
                self.forge.stop()
                self.ledger.close()


def test_the_forges_last_word_is_the_jobs_state(redis_server: RedisServer, tmp_path: Path) -> None:
    run_state_machine_as_test(
        type("Bound", (AnyOrder,), {"server": redis_server, "directory": tmp_path}),
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
