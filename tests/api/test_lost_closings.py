"""Pull requests that are closed, or opened again, without anybody telling us: the reconciler finds out."""

from __future__ import annotations

import pytest
from raibid.api import closed_pulls
from raibid.forge import Build, decide
from raibid.ledger import NewJob
from raibid.model.job import Job, JobStatus

from tests.api.reconciled import ANVIL, Pool

REF = "refs/pull/7/head"


@pytest.fixture
def offered(pool: Pool) -> Pool:
    """A pull request whose webhook came, and which the reconciler has seen."""
    pool.forge.offer(ANVIL, 7, "offered")
    deliver(pool)
    pool.round()
    return pool


def deliver(pool: Pool) -> None:
    """The webhook of the pull request's opening."""
    event = pool.forge.there[ANVIL].pulls[7]
    verdict = decide(event, pool.enrolment)
    assert isinstance(verdict, Build)
    pool.ledger.enqueue([NewJob(spec=verdict.spec, dedupe=verdict.dedupe, hold=verdict.hold, told=True)])


def closed(pool: Pool) -> None:
    """The webhook of its closing."""
    closed_pulls.call_off(pool.ledger, closed_pulls.unfinished(pool.ledger, "gitea", ANVIL, {REF}))


def newest(pool: Pool) -> Job:
    return next(job for job in pool.jobs() if job.spec.ref == REF)


def test_a_closing_that_nobody_told_of_calls_the_build_off(offered: Pool) -> None:
    other = offered.forge.push(ANVIL, "side", "aside")
    del offered.forge.there[ANVIL].pulls[7]
    offered.round()
    assert (newest(offered).status, newest(offered).reason) == (
        JobStatus.CANCELLED,
        "cancelled by the closing of its pull request",
    )
    assert [job.status for job in offered.jobs() if job.spec.sha == other] == [JobStatus.QUEUED]


def test_a_closing_that_overtakes_its_opening_calls_the_build_off(pool: Pool) -> None:
    pool.forge.offer(ANVIL, 7, "offered")
    closed(pool)
    deliver(pool)
    del pool.forge.there[ANVIL].pulls[7]
    pool.round()
    assert newest(pool).status is JobStatus.CANCELLED


def test_a_pull_request_that_the_list_missed_while_another_was_closed_goes_on(offered: Pool) -> None:
    pulls = offered.forge.there[ANVIL].pulls
    missed = pulls.pop(7)

    def there_again(question: str) -> None:
        if question == f"pulls {ANVIL}" and offered.forge.asked.count(question) > 1:
            pulls[7] = missed

    offered.forge.asked.clear()
    offered.forge.trouble = there_again
    offered.round()
    assert newest(offered).status is JobStatus.QUEUED


@pytest.mark.parametrize("looked_at_meanwhile", [True, False])
def test_an_opening_again_that_nobody_told_of_builds_it_again_once(offered: Pool, looked_at_meanwhile: bool) -> None:
    first = newest(offered).id
    pull = offered.forge.there[ANVIL].pulls.pop(7)
    closed(offered)
    if looked_at_meanwhile:
        offered.round()
    offered.forge.there[ANVIL].pulls[7] = pull
    offered.round()
    offered.round()
    assert (newest(offered).retry_of, newest(offered).status) == (first, JobStatus.QUEUED)
    assert len([job for job in offered.jobs() if job.spec.ref == REF]) == 2
    assert offered.count("revived") == 1


def test_what_ran_when_it_was_closed_is_built_again_too(offered: Pool) -> None:
    claim = offered.ledger.claim("agent")
    assert claim is not None
    pull = offered.forge.there[ANVIL].pulls.pop(7)
    offered.round()
    offered.ledger.finish(claim.job.id, claim.token, JobStatus.CANCELLED)
    offered.forge.there[ANVIL].pulls[7] = pull
    offered.round()
    assert newest(offered).retry_of == claim.job.id


def test_what_a_person_cancelled_stays_cancelled(offered: Pool) -> None:
    offered.ledger.cancel(newest(offered).id, "token-12345678")
    offered.round()
    assert (newest(offered).status, newest(offered).retry_of) == (JobStatus.CANCELLED, "")


def test_a_closing_while_we_look_is_not_undone(offered: Pool) -> None:
    def closes(question: str) -> None:
        if question == f"pulls {ANVIL}":
            closed(offered)  # and yet it is listed

    offered.forge.trouble = closes
    offered.round()
    assert (newest(offered).status, newest(offered).retry_of) == (JobStatus.CANCELLED, "")
