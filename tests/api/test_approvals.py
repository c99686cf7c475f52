"""Held pull requests of people who may push anyway: asked once, let in by name, and never past an operator's rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from raibid.api.approvals import Approvals
from raibid.api.metrics import Metrics
from raibid.api.settings import Settings
from raibid.forge import Enrolment, RepositoryRule, dedupe_key
from raibid.forge.commit_status import status_of
from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeForbiddenError,
    ForgeReachError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.ledger import Ledger, LedgerUnavailableError, NewJob
from raibid.model.job import Job, JobStatus
from raibid.model.pull_request_event import PullRequestReviewed

from tests.api.asked_forge import AskedForge
from tests.api.conftest import SHA, served, spec
from tests.waiting import until

FIXTURES = Path(__file__).parents[1] / "forge" / "fixtures"


@dataclass
class Pool:
    """Held jobs and a forge that knows who may push; the clock is the test's."""

    ledger: Ledger
    forge: AskedForge = field(default_factory=lambda: AskedForge(writers={"ada"}))
    enrolment: Enrolment = field(default_factory=Enrolment.everything)
    now: float = 0.0
    approvals: Approvals = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new API process: it remembers nothing."""
        self.metrics = Metrics(self.ledger.depth)
        forges = {"gitea": self.forge.connect}
        self.approvals = Approvals(self.ledger, forges, self.enrolment, self.metrics, clock=lambda: self.now)

    def hold(self, author: str = "ada", **changes: str) -> str:
        """A held job of a fork's pull request; its id."""
        given = {"author": author, "sender": author, "fork": f"{author}/anvil", "forge": "gitea", **changes}
        given |= {"ref": "refs/pull/1/head", "event": "pull_request"}
        wanted = spec(**given)
        dedupe = dedupe_key(wanted.repo, wanted.ref, wanted.sha, forge=wanted.forge)
        [made] = self.ledger.enqueue([NewJob(spec=wanted, dedupe=dedupe, hold=True)])
        return made.id

    def job(self, job_id: str) -> Job:
        job = self.ledger.records.get(job_id)
        assert job is not None
        return job

    def status(self, job_id: str) -> JobStatus:
        return self.job(job_id).status

    def count(self, outcome: str) -> float:
        labels = {"forge": "gitea", "outcome": outcome}
        return self.metrics.registry.get_sample_value("raibid_approvals_total", labels) or 0.0


@pytest.fixture
def pool(ledger: Ledger) -> Pool:
    return Pool(ledger)


def test_the_pull_request_of_somebody_who_may_push_goes_on_in_that_name(pool: Pool) -> None:
    job_id = pool.hold()
    assert pool.approvals.round() == 1
    job = pool.job(job_id)
    assert (job.status, job.approved_by) == (JobStatus.QUEUED, "ada, who may push")
    assert status_of(job, "").description == "waits for an agent, approved by ada, who may push"
    assert pool.forge.asked == [("acme/anvil", "ada")]


def test_a_strangers_waits_for_a_person_and_the_forge_is_asked_once(pool: Pool) -> None:
    job_id = pool.hold("eve")
    assert [pool.approvals.round() for _ in range(3)] == [0, 0, 0]
    assert pool.status(job_id) is JobStatus.HELD
    assert pool.forge.asked == [("acme/anvil", "eve"), ("acme/anvil", "1", SHA)]
    assert pool.ledger.approve(job_id, "token-12345678") is JobStatus.QUEUED


def test_the_next_commit_is_asked_about_again(pool: Pool) -> None:
    first = pool.hold(sha="1" * 40)
    pool.approvals.round()
    second = pool.hold(sha="2" * 40)
    assert pool.status(second) is JobStatus.HELD
    pool.approvals.round()
    assert (pool.status(first), pool.status(second)) == (JobStatus.QUEUED, JobStatus.QUEUED)
    assert len(pool.forge.asked) == 2


# --- reviews on the forge -----------------------------------------------------------------------------------


def reviewed(sha: str = SHA, number: int = 1) -> PullRequestReviewed:
    return PullRequestReviewed(forge="gitea", repo="acme/anvil", number=number, sha=sha)


def test_a_review_of_somebody_who_may_push_lets_exactly_that_commit_in(pool: Pool) -> None:
    job_id = pool.hold("eve")
    pool.approvals.round()
    pool.forge.reviews[SHA] = ("mallory", "ada")
    assert pool.approvals.round() == 0, "nobody said that there is a review"
    assert pool.approvals.look_again(reviewed()) == [job_id]
    assert pool.approvals.round() == 1
    assert (pool.status(job_id), pool.job(job_id).approved_by) == (JobStatus.QUEUED, "ada's review")


def test_a_review_counts_though_the_forge_does_not_tell_us_who_else_may_push(pool: Pool) -> None:
    pool.forge.reviews[SHA], pool.forge.discreet = ("ada",), True
    job_id = pool.hold()
    assert pool.approvals.round() == 1
    assert (pool.status(job_id), pool.job(job_id).approved_by) == (JobStatus.QUEUED, "ada's review")


def test_a_review_of_an_older_commit_lets_nothing_in(pool: Pool) -> None:
    pool.forge.reviews["1" * 40] = ("ada",)
    job_id = pool.hold("eve", sha="2" * 40)
    pool.approvals.look_again(reviewed("2" * 40))
    assert pool.approvals.round() == 0
    assert pool.status(job_id) is JobStatus.HELD


def test_a_review_of_somebody_who_may_not_push_lets_nothing_in(pool: Pool) -> None:
    pool.forge.reviews[SHA] = ("mallory", "eve")
    job_id = pool.hold("eve")
    assert pool.approvals.round() == 0
    assert pool.status(job_id) is JobStatus.HELD


def test_a_review_that_came_while_no_api_ran_is_found(pool: Pool) -> None:
    pool.forge.reviews[SHA] = ("ada",)
    job_id = pool.hold("eve", fork="mallory/anvil")
    assert pool.approvals.round() == 1
    assert pool.status(job_id) is JobStatus.QUEUED


def test_a_review_is_not_enough_for_an_operators_rule(ledger: Ledger) -> None:
    pool = Pool(ledger, enrolment=Enrolment(repositories={"acme/anvil": RepositoryRule(approval=True)}))
    pool.forge.reviews[SHA] = ("ada",)
    job_id = pool.hold("eve")
    pool.approvals.look_again(reviewed())
    assert (pool.approvals.round(), pool.status(job_id)) == (0, JobStatus.HELD)


def test_a_review_of_nothing_that_is_held_asks_nobody(pool: Pool) -> None:
    assert pool.approvals.look_again(reviewed()) == []
    pool.ledger.approve(pool.hold("eve"), "token-1")
    assert pool.approvals.look_again(reviewed()) == []
    assert pool.approvals.look_again(reviewed(number=2)) == []


# --- who is not let in --------------------------------------------------------------------------------------


def test_a_strangers_commit_in_a_writers_pull_request_waits(pool: Pool) -> None:
    job_id = pool.hold("ada", sender="eve")
    pool.approvals.round()
    assert pool.status(job_id) is JobStatus.HELD


def test_a_writers_pull_request_from_a_strangers_fork_waits(pool: Pool) -> None:
    job_id = pool.hold("ada", fork="eve/anvil")
    pool.approvals.round()
    assert pool.status(job_id) is JobStatus.HELD
    assert pool.forge.asked == [("acme/anvil", "1", SHA)], "only whether somebody reviewed it"


def test_an_operators_rule_wants_a_person_whoever_the_author_is(ledger: Ledger) -> None:
    pool = Pool(ledger, enrolment=Enrolment(repositories={"acme/anvil": RepositoryRule(approval=True)}))
    job_id = pool.hold()
    pool.approvals.round()
    assert (pool.status(job_id), pool.forge.asked) == (JobStatus.HELD, [])


@pytest.mark.parametrize("change", [{"forge": ""}, {"forge": "github"}])
def test_a_job_of_no_forge_that_can_be_asked_waits(pool: Pool, change: dict[str, str]) -> None:
    job_id = pool.hold(**change)
    pool.approvals.round()
    assert pool.status(job_id) is JobStatus.HELD


# --- trouble ------------------------------------------------------------------------------------------------


class DiscreetForge(AskedForge):
    """Gitea, of somebody who administers nothing there."""

    def may_write(self, repository: str, user: str) -> bool:
        super().may_write(repository, user)
        raise ForgeForbiddenError("only administrators may ask")


def test_a_forge_that_may_not_tell_is_not_asked_again(ledger: Ledger) -> None:
    pool = Pool(ledger, forge=DiscreetForge())
    job_id = pool.hold()
    pool.approvals.round()
    pool.approvals.round()
    assert pool.forge.asked == [("acme/anvil", "ada"), ("acme/anvil", "1", SHA)]
    assert (pool.status(job_id), pool.count("refused")) == (JobStatus.HELD, 1)


def test_a_review_counts_where_the_forge_does_not_say_whether_the_author_may_push(ledger: Ledger) -> None:
    pool = Pool(ledger, forge=DiscreetForge(writers={"ada"}, reviews={SHA: ("ada",)}))
    job_id = pool.hold("eve")
    assert pool.approvals.round() == 1
    assert pool.job(job_id).approved_by == "ada's review"


def test_a_forge_that_is_away_is_asked_again_later_and_nothing_is_lost(pool: Pool) -> None:
    def away() -> None:
        raise ForgeUnavailableError("away", retry_after=30)

    job_ids = [pool.hold(sha=str(n) * 40) for n in range(3)]
    pool.forge.trouble = away
    pool.approvals.round()
    assert len(pool.forge.asked) == 1, "not once per job"
    pool.forge.trouble = lambda: None
    pool.now = 29.0
    assert pool.approvals.round() == 0
    pool.now = 31.0
    assert pool.approvals.round() == 3
    assert {pool.status(job_id) for job_id in job_ids} == {JobStatus.QUEUED}


@pytest.mark.parametrize("error", [ForgeFaultError("500"), ForgeReachError("SAML"), ForgeSilentError("no answer")])
def test_a_pull_request_that_the_forge_fails_at_holds_up_no_other(pool: Pool, error: CallError) -> None:
    def fails() -> None:
        if "eve" in pool.forge.asked[-1]:
            raise error

    pool.forge.trouble = fails
    bad, good = pool.hold("eve", sha="1" * 40), pool.hold("ada", sha="2" * 40)
    assert pool.approvals.round() == 1
    assert (pool.status(bad), pool.status(good)) == (JobStatus.HELD, JobStatus.QUEUED)
    asked = len(pool.forge.asked)
    pool.approvals.round()
    assert len(pool.forge.asked) == asked, "it rests"
    pool.forge.trouble, pool.now = lambda: None, 600.0
    pool.forge.writers.add("eve")
    assert pool.approvals.round() == 1


def test_a_forge_that_answers_nothing_at_all_is_not_waited_for_once_per_job(pool: Pool) -> None:
    def silent() -> None:
        raise ForgeSilentError("no answer")

    job_ids = [pool.hold(sha=str(n) * 40) for n in range(6)]
    pool.forge.trouble = silent
    pool.approvals.round()
    assert len(pool.forge.asked) == 3
    pool.forge.trouble, pool.now = lambda: None, 600.0
    assert pool.approvals.round() == len(job_ids)


def test_redis_failing_at_an_approval_loses_none(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise LedgerUnavailableError("away")

    job_id = pool.hold()
    with monkeypatch.context() as patched:
        patched.setattr(pool.ledger, "approve", down)
        with pytest.raises(LedgerUnavailableError):
            pool.approvals.round()
    assert pool.approvals.round() == 1
    assert pool.status(job_id) is JobStatus.QUEUED


def test_a_review_whose_webhook_is_lost_and_a_right_given_later_are_found_in_time(pool: Pool) -> None:
    job_ids = [pool.hold("eve", sha="1" * 40), pool.hold("bob", sha="2" * 40)]
    pool.approvals.round()
    pool.forge.reviews["1" * 40] = ("ada",)
    pool.forge.writers.add("bob")
    pool.now = 599.0
    assert pool.approvals.round() == 0
    pool.now = 600.0
    assert pool.approvals.round() == 2
    assert {pool.status(job_id) for job_id in job_ids} == {JobStatus.QUEUED}


def test_a_commit_of_which_nobody_is_known_to_have_brought_it_waits(pool: Pool) -> None:
    job_id = pool.hold("ada", sender="")
    pool.approvals.round()
    assert pool.status(job_id) is JobStatus.HELD


def test_a_new_process_asks_about_what_still_waits(pool: Pool) -> None:
    job_id = pool.hold("eve")
    pool.approvals.round()
    pool.forge.writers.add("eve")
    pool.restart()
    assert pool.approvals.round() == 1
    assert pool.status(job_id) is JobStatus.QUEUED


def test_an_unreadable_record_holds_up_no_other(pool: Pool) -> None:
    broken, whole = pool.hold(sha="1" * 40), pool.hold(sha="2" * 40)
    pool.ledger.client.hset(pool.ledger.keys.job + broken, "spec", b"{")
    assert pool.approvals.round() == 1
    assert pool.status(whole) is JobStatus.QUEUED


def test_closing_ends_a_round_between_two_jobs(pool: Pool) -> None:
    pool.hold()
    assert pool.approvals.round(lambda: True) == 0
    assert pool.forge.asked == []


def test_the_running_api_does_it_by_itself(
    make_settings: Callable[..., Settings], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge = AskedForge(writers={"ada"})
    monkeypatch.setattr("raibid.api.app.forges_of", lambda _: {"gitea": forge.connect})
    job_id = Pool(ledger).hold()
    with served(make_settings(status_seconds=0.01), ledger) as api:
        until(lambda: api.reader.get(f"/jobs/{job_id}").json()["status"] == "queued")


def test_the_running_api_asks_again_when_gitea_tells_of_a_review(
    make_settings: Callable[..., Settings], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge = AskedForge(writers={"ada"})
    monkeypatch.setattr("raibid.api.app.forges_of", lambda _: {"gitea": forge.connect})
    with served(make_settings(status_seconds=0.01), ledger) as api:
        opened = (FIXTURES / "gitea-fork-pull-request-opened.json").read_bytes()
        job = api.deliver(opened, event="pull_request").json()
        until(lambda: len(forge.asked) >= 3)  # what it changes, its author's right, its reviews
        forge.reviews[api.ledger.records.get(job["id"]).spec.sha] = ("ada",)  # type: ignore[union-attr]
        review = (FIXTURES / "gitea-fork-pull-request-approved.json").read_bytes()
        assert api.deliver(review, event="pull_request_approved").json() == {"asked": [job["id"]]}
        until(lambda: api.reader.get(f"/jobs/{job['id']}").json()["status"] == "queued")
