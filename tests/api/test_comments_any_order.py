"""Whatever builds, forge and API do in whatever order, the one comment is the newest build's (hypothesis)."""

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
from tests.api.status_line import Line
from tests.api.test_comments import found
from tests.forge.fake_forge import FakeForge

REPOSITORIES = {1: "acme/anvil", 2: "acme/anvil", 3: "acme/rocket"}
"""Of each pull request."""
NUMBERS = st.sampled_from(sorted(REPOSITORIES))


def sha_of(job_id: str) -> str:
    return hashlib.sha1(job_id.encode(), usedforsecurity=False).hexdigest()


class AnyOrder(RuleBasedStateMachine):
    """Builds of three pull requests in two repositories, a forge in trouble, and APIs, against real Redis and HTTP."""

    server: RedisServer
    directory: Path
    jobs: Bundle[str] = Bundle("jobs")
    claims: Bundle[Claim] = Bundle("claims")

    @initialize()
    def an_empty_ledger_and_a_forge(self) -> None:
        self.ledger = Ledger.connect(self.server.url, stream=f"s-{new_job_id()}")
        self.ledger.setup()
        self.ledger.set_window(100)
        self.forge = FakeForge()
        self.forge.start()
        self.line = Line(self.ledger, self.forge, self.forge.credentials(self.directory / "credentials"))
        self.of_pull: dict[int, list[str]] = {number: [] for number in REPOSITORIES}
        self.number: dict[str, int] = {}
        self.retried: set[str] = set()

    # --- what happens to builds ------------------------------------------------------------------------

    @rule(target=jobs, number=NUMBERS)
    def a_new_head(self, number: int) -> str:
        job_id = new_job_id()
        self._note(job_id, number)
        asked = spec(
            forge="gitea",
            repo=REPOSITORIES[number],
            event="pull_request",
            ref=f"refs/pull/{number}/head",
            sha=sha_of(job_id),
        )
        self.ledger.enqueue([NewJob(id=job_id, spec=asked, dedupe=job_id)])
        return job_id

    @rule(target=jobs, job=jobs)
    def a_retry(self, job: str) -> Any:
        record = self.ledger.records.get(job)
        assert record is not None
        if job in self.retried or not record.status.terminal:
            return multiple()
        self.retried.add(job)
        new = self.ledger.retry(job).id
        self._note(new, self.number[job])
        return new

    def _note(self, job: str, number: int) -> None:
        self.number[job] = number
        self.of_pull[number].append(job)

    @rule(target=claims)
    def a_claim(self) -> Any:
        return self.ledger.claim(f"agent-{new_job_id()}") or multiple()

    @rule(claim=claims, outcome=st.sampled_from([JobStatus.SUCCESS, JobStatus.FAILED]), talks=st.booleans())
    def an_end(self, claim: Claim, outcome: JobStatus, talks: bool) -> None:
        with suppress(StaleTokenError):
            report = found(f"found by {claim.job.id}") if talks else None
            self.ledger.finish(claim.job.id, claim.token, outcome, report)

    @rule(job=jobs)
    def a_cancel(self, job: str) -> None:
        self.ledger.cancel(job)

    # --- what happens to the forge ---------------------------------------------------------------------

    @rule(up=st.booleans())
    def the_forge_stops_or_starts(self, up: bool) -> None:
        if up != self.forge.up:
            (self.forge.start if up else self.forge.stop)()

    @rule(status=st.sampled_from([0, 500, 503]), part=st.sampled_from(["", "/issues/", "/statuses/"]))
    def the_forge_is_in_trouble_or_out_of_it(self, status: int, part: str) -> None:
        self.forge.trouble = lambda asked: status if part in asked else 0

    @rule(lost=st.booleans())
    def answers_are_lost_or_not(self, lost: bool) -> None:
        self.forge.loses_answers = lost

    # --- what the API does -----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 1.0, 30.0, 700.0]))
    def a_round(self, seconds: float) -> None:
        self.line.now += seconds
        self.line.round()

    @rule()
    def a_restart(self) -> None:
        self.line.restart()

    @rule(number=NUMBERS, talks=st.booleans())
    def two_apis_of_which_one_is_late(self, number: int, talks: bool) -> None:
        """While the late one rewrites the comment, a newer build ends and the other API tells of it."""
        self._heal()
        for _ in range(2):  # the first one's comment is there, so that neither makes one
            self._build(number, talks=True)
            self.line.later()
        self._build(number, talks=True)
        late = Line(self.ledger, self.forge, self.line.credentials, now=self.line.now)

        def trouble(asked: str) -> int:
            if "/issues/" in asked and not asked.startswith("GET"):
                self._heal()
                self._build(number, talks=talks)
                self.line.round()
            return 0

        self.forge.trouble = trouble
        late.round()
        self._heal()

    def _build(self, number: int, *, talks: bool) -> None:
        """A new head's build, from its start to its end."""
        job = self.a_new_head(number)
        while (claim := self.ledger.claim(f"agent-{new_job_id()}")) and claim.job.id != job:
            self.an_end(claim, JobStatus.SUCCESS, talks)
        if claim:
            self.an_end(claim, JobStatus.FAILED, talks)

    # --- what must hold --------------------------------------------------------------------------------

    @rule()
    def once_all_is_well_each_comment_is_the_newest_builds(self) -> None:
        self._heal()
        for _ in range(4):  # what got no answer is said twice, and what failed with it once more
            self.line.later()
        assert self.ledger.untold(1_000) == [], "nothing happens meanwhile: all is told"
        for number in REPOSITORIES:
            self._says_what_the_newest_found(number)

    @rule(status=st.sampled_from([500, 503, 504]))
    def while_no_comment_is_taken_every_status_is_shown_as_it_is(self, status: int) -> None:
        self._heal()
        self.forge.trouble = lambda asked: status if "/issues/" in asked else 0
        for _ in range(3):  # what got no answer is said twice
            self.line.later()
        for job in self.number:
            record = self.ledger.records.get(job)
            assert record is not None
            if job not in self.retried:
                assert self.forge.shown(record.spec.sha, "raibid/pr") == STATES[record.status]

    @rule(bad=NUMBERS, status=st.sampled_from([500, 503, 504]))
    def while_one_pull_requests_comment_is_never_taken_all_others_are_right(self, bad: int, status: int) -> None:
        self._heal()
        self.forge.trouble = lambda asked: status if f"/issues/{bad}/" in asked else 0
        for _ in range(6):  # one that fails may be first until it is known, and some is said twice
            self.line.later()
        for number in set(REPOSITORIES) - {bad}:
            self._says_what_the_newest_found(number)

    def _says_what_the_newest_found(self, number: int) -> None:
        bodies = [c["body"] for c in self.forge.comments if c["number"] == number]
        assert len(bodies) <= 1
        if jobs := self.of_pull[number]:
            self._is_the_newests(max(jobs), "".join(bodies))

    def _heal(self) -> None:
        self.forge.trouble, self.forge.loses_answers = lambda _: 0, False
        if not self.forge.up:
            self.forge.start()

    def _is_the_newests(self, newest: str, body: str) -> None:
        job = self.ledger.records.get(newest)
        assert job is not None
        if job.status.terminal:
            talks = bool(job.report and job.report.annotations)
            assert (f"found by {newest}" in body) == talks
            assert ("found by" in body) == talks, "nothing of an older build's is left"

    def teardown(self) -> None:
        if hasattr(self, "line"):
            try:
                self.once_all_is_well_each_comment_is_the_newest_builds()
            finally:
                self.forge.stop()
                self.ledger.close()


def test_a_pull_requests_one_comment_is_its_newest_builds(redis_server: RedisServer, tmp_path: Path) -> None:
    run_state_machine_as_test(
        type("Bound", (AnyOrder,), {"server": redis_server, "directory": tmp_path}),
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
