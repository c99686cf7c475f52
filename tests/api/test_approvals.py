"""Held pull requests of people who may push anyway: asked once, let in by name, and never past an operator's rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from raibid.api.settings import Settings
from raibid.forge import Enrolment, RepositoryRule
from raibid.forge.commit_status import status_of
from raibid.ledger import Ledger
from raibid.model.job import JobStatus
from raibid.model.pull_request_event import PullRequestReviewed

from tests.api.approving import Pool
from tests.api.asked_forge import AskedForge
from tests.api.conftest import SHA, served
from tests.waiting import until

FIXTURES = Path(__file__).parents[1] / "forge" / "fixtures"


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
