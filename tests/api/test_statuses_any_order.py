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
from raibid.model.job import JobStatus
from raibid.model.job_id import new_job_id

from tests.api.conftest import spec
from tests.api.status_line import DiedError, DyingClient, Line
from tests.forge.fake_forge import FakeForge

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
        self.all: list[str] = []

    # --- what happens to jobs --------------------------------------------------------------------------

    @rule(target=jobs, hold=st.booleans())
    def a_push(self, hold: bool) -> str:
        job_id = new_job_id()
        asked = spec(forge="gitea", sha=sha_of(job_id))
        self.ledger.enqueue([NewJob(id=job_id, spec=asked, dedupe=job_id, hold=hold, max_attempts=2)])
        self.all.append(job_id)
        return job_id

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

    @rule(status=st.sampled_from([0, 401, 429, 500, 502, 503]))
    def the_forge_is_in_trouble_or_out_of_it(self, status: int) -> None:
        self.forge.trouble = lambda asked: status if asked.startswith("POST") else 0

    @rule(lost=st.booleans())
    def answers_are_lost_or_not(self, lost: bool) -> None:
        self.forge.loses_answers = lost

    # --- what the API does -----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 1.0, 30.0, 700.0]))
    def a_round(self, seconds: float) -> None:
        self.line.now += seconds
        self.line.round()

    @rule(job=jobs, happens=st.sampled_from(["cancel", "approve", "claim and end", "claim"]))
    def a_round_in_which_something_happens(self, job: str, happens: str) -> None:
        def meanwhile() -> None:
            self.forge.meanwhile = lambda: None
            if happens == "cancel":
                self.ledger.cancel(job)
            elif happens == "approve":
                self.ledger.approve(job, "somebody")
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

    @rule()
    def two_apis_of_which_one_is_late(self) -> None:
        """The late one has read the job before it changed, and its word reaches the forge after the other's."""
        late = Line(self.ledger, self.forge, self.line.credentials, now=self.line.now)

        def meanwhile() -> None:
            self.forge.meanwhile = lambda: None
            if claim := self.ledger.claim("agent-in-between"):
                self.ledger.finish(claim.job.id, claim.token, JobStatus.FAILED)
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
        for job_id in self.all:
            job = self.ledger.records.get(job_id)
            assert job is not None
            assert self.forge.shown(sha_of(job_id)) == STATES[job.status], job.status

    def _heal(self) -> None:
        self.forge.trouble, self.forge.loses_answers = lambda _: 0, False
        if not self.forge.up:
            self.forge.start()
        self.line.later()  # what got no answer is told twice
        self.line.later()
        assert self.ledger.untold(1_000) == [], "nothing happens meanwhile: all is told"

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
