"""Approvals when a forge, Redis or a record is in trouble: nothing is lost, and nobody waits for another's trouble."""

from __future__ import annotations

import pytest
from raibid.forge.errors import (
    CallError,
    ForgeFaultError,
    ForgeForbiddenError,
    ForgeReachError,
    ForgeSilentError,
    ForgeUnavailableError,
)
from raibid.ledger import Ledger, LedgerUnavailableError
from raibid.model.job import JobStatus

from tests.api.approving import Pool
from tests.api.asked_forge import AskedForge
from tests.api.conftest import SHA


@pytest.fixture
def pool(ledger: Ledger) -> Pool:
    return Pool(ledger)


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
