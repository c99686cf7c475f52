"""A newer job of a group supersedes the older one, whatever the older one is doing and however late news comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs
from raibid.contract import RETENTION_SECONDS
from raibid.ledger import Beat, Claim, Enqueued, Ledger, NewJob
from raibid.model.job import Job, JobSpec, JobStatus

from tests.ledger.conftest import put, take

Lose = Callable[[Claim], None]
REPO, REF = "acme/app", "refs/heads/feature"


def push(sha: str, before: str = "", *, seen: float = 0.0, hold: bool = False, group: str = f"{REPO}|{REF}") -> NewJob:
    """A push to one branch; its dedupe key is the commit's, as the webhook's is."""
    sha, before = sha * 40, before * 40
    spec = JobSpec(repo=REPO, clone_url="https://forge.test/a.git", ref=REF, sha=sha, before=before, group=group)
    return NewJob(spec=spec, dedupe=f"{REPO}|{REF}|{sha}", seen=seen, hold=hold)


def deliver(ledger: Ledger, sha: str, before: str = "", **kw: float) -> Enqueued:
    return ledger.enqueue([push(sha, before, **kw)])[0]  # type: ignore[arg-type]


def job(ledger: Ledger, job_id: str) -> Job:
    found = ledger.records.get(job_id)
    assert found is not None
    return found


@pytest.mark.parametrize("older_is", [JobStatus.HELD, JobStatus.WAITING, JobStatus.QUEUED])
def test_an_older_job_that_does_not_run_ends_with_the_newer_ones_coming(ledger: Ledger, older_is: JobStatus) -> None:
    ledger.set_window(0 if older_is is JobStatus.WAITING else 4)
    old = ledger.enqueue([push("a", hold=older_is is JobStatus.HELD)])[0]
    assert old.status is older_is
    new = deliver(ledger, "b", "a")
    ended = job(ledger, old.id)
    assert (ended.status, ended.superseded_by) == (JobStatus.CANCELLED, new.id)
    assert ended.reason == ledger.why(old.id).reason == f"superseded by {new.id}"
    assert old.id in ledger.untold()
    depth = ledger.depth()
    assert (depth.stream + depth.waiting, depth.held) == (1, 0)


def test_an_older_job_that_runs_is_told_by_its_next_beat(ledger: Ledger) -> None:
    deliver(ledger, "a")
    claim = take(ledger)
    new = deliver(ledger, "b", "a")
    assert f"superseded by {new.id}" in ledger.why(claim.job.id).sentence
    assert ledger.beat(claim.job.id, claim.token) is Beat.CANCEL
    ledger.finish(claim.job.id, claim.token, JobStatus.CANCELLED)
    assert job(ledger, claim.job.id).reason == f"superseded by {new.id}"


def test_an_older_job_whose_agent_died_is_not_run_again(ledger: Ledger, lose_lease: Lose) -> None:
    deliver(ledger, "a")
    claim = take(ledger)
    lose_lease(claim)
    new = deliver(ledger, "b", "a")
    assert take(ledger, "another").job.id == new.id
    assert job(ledger, claim.job.id).status is JobStatus.CANCELLED


def test_an_older_job_that_was_done_before_it_heard_keeps_its_result(ledger: Ledger) -> None:
    deliver(ledger, "a")
    claim = take(ledger)
    deliver(ledger, "b", "a")
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    assert job(ledger, claim.job.id).status is JobStatus.SUCCESS


def test_groups_do_not_touch_each_other_nor_jobs_without_one(ledger: Ledger) -> None:
    put(ledger, push("a", group="x"), push("b", group="y"), push("c", group=""), push("d", group=""))
    assert ledger.depth().stream == 4


def test_the_newest_of_one_batch_survives(ledger: Ledger) -> None:
    answers = ledger.enqueue([push("a"), push("b", "a"), push("c", "b")])
    assert [a.status for a in answers] == [JobStatus.CANCELLED, JobStatus.CANCELLED, JobStatus.QUEUED]


def test_a_push_that_is_delivered_late_is_superseded_by_the_one_that_overtook_it(ledger: Ledger) -> None:
    new = deliver(ledger, "c", "b")
    late, later = deliver(ledger, "b", "a"), deliver(ledger, "a")
    assert late.created
    assert late.status is later.status is JobStatus.CANCELLED
    assert job(ledger, late.id).superseded_by == new.id
    assert job(ledger, new.id).status is JobStatus.QUEUED


def test_a_redelivery_of_a_superseded_push_changes_nothing(ledger: Ledger) -> None:
    old, new = deliver(ledger, "a"), deliver(ledger, "b", "a")
    assert deliver(ledger, "a") == Enqueued(old.id, False, JobStatus.CANCELLED)
    assert job(ledger, new.id).status is JobStatus.QUEUED


def test_a_push_back_to_a_superseded_commit_builds_it_anew(ledger: Ledger) -> None:
    old, wrong = deliver(ledger, "a"), deliver(ledger, "b", "a")
    again = deliver(ledger, "a", "b")
    assert again.created
    assert again.id != old.id
    assert again.status is JobStatus.QUEUED
    assert job(ledger, wrong.id).superseded_by == again.id


def test_a_push_back_to_a_commit_whose_job_a_person_cancelled_builds_it_anew(ledger: Ledger) -> None:
    ledger.cancel(deliver(ledger, "a").id)
    assert not deliver(ledger, "a").created, "that is the same push once more"
    deliver(ledger, "b", "a")
    assert deliver(ledger, "a", "b").created


def ended(ledger: Ledger, sha: str, before: str = "") -> str:
    """The job of a push that was built."""
    made = deliver(ledger, sha, before)
    claim = take(ledger)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    return made.id


@pytest.mark.parametrize("how", [{"before": "b"}, {"seen": time.time() + 3600}], ids=["a push", "a listing"])
def test_a_branch_that_is_back_at_a_built_commit_wants_no_other_one(ledger: Ledger, how: dict[str, Any]) -> None:
    old, wrong = ended(ledger, "a"), deliver(ledger, "b", "a")
    assert deliver(ledger, "a", **how) == Enqueued(old, False, JobStatus.SUCCESS)
    called_off = job(ledger, wrong.id)
    assert (called_off.status, called_off.superseded_by) == (JobStatus.CANCELLED, old)
    assert deliver(ledger, "c", "a").status is JobStatus.QUEUED, "pushed upon the newest"


def test_a_redelivery_of_a_built_push_calls_nobody_off(ledger: Ledger) -> None:
    ended(ledger, "a", "z")
    new = deliver(ledger, "b", "a")
    deliver(ledger, "a", "z")
    assert job(ledger, new.id).status is JobStatus.QUEUED


def test_a_branch_that_is_back_at_a_commit_that_was_done_before_it_heard_keeps_that_result(ledger: Ledger) -> None:
    deliver(ledger, "a")
    claim = take(ledger)
    deliver(ledger, "b", "a")
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    assert deliver(ledger, "a", "b").id == claim.job.id
    assert not job(ledger, claim.job.id).superseded_by


def test_what_is_known_of_a_group_does_not_outlive_a_built_commit_that_it_is_back_at(ledger: Ledger) -> None:
    ended(ledger, "a")
    deliver(ledger, "b", "a")
    deliver(ledger, "a", "b")
    assert 0 < ledger.client.ttl(f"{ledger.keys.newest}{REPO}|{REF}") <= RETENTION_SECONDS


def test_a_branch_without_a_group_is_built_anew_when_it_is_back_at_a_cancelled_commit(ledger: Ledger) -> None:
    first, second = push("a", "z", group=""), push("b", "a", group="")
    ledger.cancel(ledger.enqueue([first])[0].id, "ada")
    ledger.enqueue([second])
    assert not ledger.enqueue([first])[0].created, "that is the same push once more"
    again = ledger.enqueue([push("a", "b", group="")])[0]
    assert (again.created, again.status) == (True, JobStatus.QUEUED)


def test_the_end_of_a_superseded_build_does_not_shorten_its_successors_dedupe_key(ledger: Ledger) -> None:
    deliver(ledger, "a")
    claim = take(ledger)
    deliver(ledger, "b", "a")
    again = deliver(ledger, "a", "b")
    ledger.finish(claim.job.id, claim.token, JobStatus.CANCELLED)
    assert ledger.client.ttl(ledger.keys.dedupe + push("a").dedupe) == -1
    assert deliver(ledger, "a", "b").id == again.id


def test_a_listing_older_than_the_newest_push_does_not_supersede_it(ledger: Ledger) -> None:
    asked = time.time() - 60
    new = deliver(ledger, "b")
    assert deliver(ledger, "a", seen=asked).status is JobStatus.CANCELLED
    assert job(ledger, new.id).status is JobStatus.QUEUED


def test_a_listing_that_knows_better_builds_what_was_superseded_wrongly(ledger: Ledger) -> None:
    right, wrong = deliver(ledger, "c"), deliver(ledger, "a")  # the one before the last but one, delivered last
    healed = deliver(ledger, "c", seen=time.time() + 60)
    assert (healed.created, healed.status) == (True, JobStatus.QUEUED)
    assert job(ledger, right.id).status is job(ledger, wrong.id).status is JobStatus.CANCELLED


def test_a_retry_of_the_newest_push_stays_the_newest(ledger: Ledger) -> None:
    old = deliver(ledger, "a")
    ledger.cancel(old.id)
    retries = [ledger.retry(old.id)]
    ledger.cancel(retries[0].id)
    retries.append(ledger.retry(old.id))
    assert retries[1].status is JobStatus.QUEUED
    deliver(ledger, "b", "a")
    assert job(ledger, retries[1].id).status is JobStatus.CANCELLED


def test_a_retry_of_a_superseded_push_neither_supersedes_the_newest_nor_is_superseded(ledger: Ledger) -> None:
    old, new = deliver(ledger, "a"), deliver(ledger, "b", "a")
    again = ledger.retry(old.id)
    assert job(ledger, new.id).status is again.status is JobStatus.QUEUED
    deliver(ledger, "c", "b")
    assert job(ledger, again.id).status is JobStatus.QUEUED


def test_what_is_known_of_a_group_goes_a_day_after_its_newest_job_ended(ledger: Ledger) -> None:
    of_group = ledger.keys.newest + f"{REPO}|{REF}"
    deliver(ledger, "a")
    assert ledger.client.ttl(of_group) == -1
    claim = take(ledger)
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    assert 0 < ledger.client.ttl(of_group) <= 24 * 3600
    deliver(ledger, "b", "a")
    assert ledger.client.ttl(of_group) == -1


def test_the_known_past_of_a_group_is_bounded(ledger: Ledger) -> None:
    digits = "0123456789abcdef"
    for n in range(64):
        deliver(ledger, digits[(n + 1) % 16], digits[n % 16])
    past = ledger.client.hget(ledger.keys.newest + f"{REPO}|{REF}", "past")
    assert isinstance(past, bytes)
    assert len(past) <= 21 * 41


def test_a_job_without_a_commit_is_as_new_as_its_coming(ledger: Ledger) -> None:
    by_hand = push("")
    first = put(ledger, by_hand, structs.replace(by_hand, id="z" * 26, dedupe="2"))[0]
    assert job(ledger, first).status is JobStatus.CANCELLED
