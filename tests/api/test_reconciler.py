"""What no webhook brought is built, once; what was there before, or was brought in time, is not."""

from __future__ import annotations

from raibid.forge import dedupe_key
from raibid.forge.errors import (
    ForgeSilentError,
)
from raibid.ledger import Ledger
from raibid.model.job import JobStatus

from tests.api.forge_of_heads import MAIN, sha_of
from tests.api.reconciled import ANVIL, Pool, enrolled


def test_what_was_there_when_the_forge_was_first_seen_is_never_built(pool: Pool) -> None:
    for _ in range(3):
        pool.round()
    assert not pool.built()


def test_a_push_whose_webhook_was_lost_is_built_once(pool: Pool) -> None:
    sha = pool.forge.push(ANVIL, "main", "second")
    assert pool.round() == 1
    assert pool.round() == 0
    assert pool.built() == [(ANVIL, MAIN, sha)]
    [job] = pool.jobs()
    assert (job.spec.found_by, job.spec.before) == ("reconciler", sha_of("first"))
    assert pool.count("created") == 1


def test_a_push_whose_webhook_came_is_not_built_again_not_even_a_day_later(pool: Pool) -> None:
    sha = pool.forge.push(ANVIL, "main", "second")
    pool.webhook(ANVIL, "main")
    assert pool.round() == 0
    pool.a_day_later()
    assert pool.round() == 0
    assert pool.built() == [(ANVIL, MAIN, sha)]


def test_a_push_whose_webhook_came_while_nobody_looked_for_a_day_is_not_built_again(pool: Pool) -> None:
    pool.forge.push(ANVIL, "main", "second")
    pool.webhook(ANVIL, "main")
    pool.a_day_later()
    assert pool.round() == 0
    assert len(pool.built()) == 1


def test_a_branch_that_is_back_at_a_built_commit_has_the_other_ones_build_called_off(pool: Pool) -> None:
    pool.forge.push(ANVIL, "side", "aside")
    pool.webhook(ANVIL, "side")
    claim = pool.ledger.claim("agent")
    assert claim
    pool.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    pool.forge.push(ANVIL, "side", "a mistake")
    pool.webhook(ANVIL, "side")
    pool.forge.push(ANVIL, "side", "aside")
    assert pool.round() == 0
    assert {job.status for job in pool.jobs()} == {JobStatus.SUCCESS, JobStatus.CANCELLED}


def test_a_webhook_that_comes_after_the_healing_finds_the_job(pool: Pool) -> None:
    pool.forge.push(ANVIL, "main", "second")
    pool.round()
    pool.webhook(ANVIL, "main")
    assert len(pool.built()) == 1


def test_a_new_branch_a_new_pull_request_and_a_new_repository_are_built(pool: Pool) -> None:
    new = {
        (ANVIL, "refs/heads/side", pool.forge.push(ANVIL, "side", "aside")),
        (ANVIL, "refs/pull/7/head", pool.forge.offer(ANVIL, 7, "offered")),
        ("acme/rocket", MAIN, pool.forge.push("acme/rocket", "main", "lift off")),
    }
    pool.round()
    assert set(pool.built()) == new


def test_the_first_push_to_an_empty_repository_is_built(pool: Pool) -> None:
    pool.forge.create("acme/bare")
    pool.round()
    sha = pool.forge.push("acme/bare", "main", "begin")
    pool.round()
    assert pool.built() == [("acme/bare", MAIN, sha)]


def test_a_pull_request_from_a_fork_is_held_just_the_same(pool: Pool) -> None:
    pool.forge.offer(ANVIL, 8, "gift", head="mallory/anvil")
    pool.round()
    [job] = pool.jobs()
    assert (job.status, job.spec.fork) == (JobStatus.HELD, "mallory/anvil")


def test_a_head_whose_job_an_older_pushs_late_webhook_called_off_is_built_after_all(pool: Pool) -> None:
    shas = [pool.forge.push(ANVIL, "side", text) for text in ("one", "two", "three")]
    pool.webhook(ANVIL, "side", sha=shas[2], before=shas[1])
    pool.round()
    pool.webhook(ANVIL, "side", sha=shas[0])
    assert pool.round() == 1
    assert pool.round() == 0
    wanted = [job.spec.sha for job in pool.jobs() if not job.superseded_by]
    assert wanted == [shas[2]]
    assert pool.count("revived") == 1


def test_what_an_outdated_job_changes_is_not_asked_again(ledger: Ledger) -> None:
    pool = Pool(ledger, enrolment=enrolled("{default: {paths: ['src/**']}}"))
    pool.forge.push(ANVIL, "main", "first")
    pool.round()
    shas = [pool.forge.push(ANVIL, "side", text) for text in ("one", "two", "three")]
    pool.webhook(ANVIL, "side", sha=shas[2], before=shas[1])
    pool.round()
    pool.webhook(ANVIL, "side", sha=shas[0])
    pool.forge.asked.clear()
    assert pool.round() == 1
    assert f"changes {ANVIL}" not in pool.forge.asked


def test_a_head_that_its_pipelines_group_called_off_for_an_older_commit_is_built_after_all(pool: Pool) -> None:
    old, head = (pool.forge.push(ANVIL, "main", text) for text in ("second", "third"))
    pool.webhook(ANVIL, "main", sha=head, before=old)
    claims = []
    for sha in (head, old):
        pool.webhook(ANVIL, "main", sha=sha)
        claim = pool.ledger.claim(f"agent of {sha}")
        assert claim is not None
        pool.ledger.join(claim.job.id, claim.token, "deploy", supersede=True)
        claims.append(claim)
    assert pool.round() == 0, "its agent has yet to hear of it"
    pool.ledger.finish(claims[0].job.id, claims[0].token, JobStatus.CANCELLED)
    assert pool.round() == 1
    assert pool.round() == 0
    [again] = [job for job in pool.jobs() if job.spec.sha == head and job.status is not JobStatus.CANCELLED]
    assert again.retry_of == claims[0].job.id


def test_a_webhook_that_overtakes_the_look_is_not_called_off_by_it(pool: Pool) -> None:
    older = pool.forge.push(ANVIL, "side", "one")
    newer: list[str] = []

    def meanwhile(question: str) -> None:
        if question == f"changes {ANVIL}" and not newer:
            newer.append(pool.forge.push(ANVIL, "side", "two"))
            pool.webhook(ANVIL, "side", sha=newer[0], before=sha_of("of a push that was lost, too"))

    pool.forge.trouble = meanwhile
    pool.round()
    by_sha = {job.spec.sha: job for job in pool.jobs()}
    assert by_sha[older].status is JobStatus.CANCELLED
    assert by_sha[newer[0]].status is JobStatus.QUEUED
    assert pool.count("overtaken") == 1


def test_a_push_back_by_force_to_a_commit_of_long_ago_is_built_once_more(pool: Pool) -> None:
    for text in ("second", "third", "second"):
        pool.forge.push(ANVIL, "main", text)
        pool.round()
        pool.a_day_later()
    assert [sha for _, _, sha in pool.built()].count(sha_of("second")) == 2


def test_dedupe_is_the_webhooks(pool: Pool) -> None:
    sha = pool.forge.push(ANVIL, "main", "second")
    pool.round()
    [job] = pool.jobs()
    [known] = pool.ledger.heads.jobs([dedupe_key(ANVIL, MAIN, sha, forge="gitea")])
    assert known is not None
    assert known.id == job.id


def test_two_apis_build_a_head_once_and_the_second_asks_nothing_again_so_soon(pool: Pool) -> None:
    pool.forge.push(ANVIL, "main", "second")
    other = pool.another(fresh=90.0)
    pool.round()
    pool.forge.asked.clear()
    assert other.round() == 0
    assert not [question for question in pool.forge.asked if question.startswith("heads")]
    pool.now += 180.0
    other.round()
    assert len(pool.built()) == 1


def test_what_was_healed_is_shown_newest_first(pool: Pool) -> None:
    for text in ("second", "third"):
        pool.forge.push(ANVIL, "main", text)
        pool.round()
    report = pool.reconciler.report()
    assert [one.sha for one in report.healed] == [sha_of("third"), sha_of("second")]
    [last] = report.forges
    assert (last.repositories, last.looked, last.heads, last.outcomes) == (1, 1, 1, {"created": 1})
    assert report.healed[0].job == pool.jobs()[0].id


def test_the_age_grows_until_every_repository_has_been_looked_at_again(pool: Pool) -> None:
    assert pool.age() == 0.0
    pool.forge.trouble = lambda question: ForgeSilentError("…") if question == f"heads {ANVIL}" else None
    pool.round()
    assert pool.age() == 180.0
    pool.forge.trouble = lambda _: None
    pool.round()
    assert pool.age() == 0.0


def test_a_single_look_heals_what_it_is_asked_about_and_says_why_it_looks_at_nothing(pool: Pool) -> None:
    sha = pool.forge.push(ANVIL, "main", "second")
    pool.forge.create("acme/old", archived=True)
    [look] = pool.reconciler.look_at(ANVIL)
    assert [(one.sha, one.outcome) for one in look.healed] == [(sha, "created")]
    assert pool.reconciler.look_at("acme/old")[0].skipped == "acme/old is archived"
    assert pool.reconciler.look_at("acme/none")[0].skipped == "gitea has no acme/none"
    assert not pool.reconciler.look_at(ANVIL, "github")
