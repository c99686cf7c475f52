"""What the reconciler remembers stays as it was said, per forge and repository; which job a head has is looked up."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs
from raibid.contract import AclUser
from raibid.contract.redis_acl import RULES, acl_file
from raibid.ledger import Ledger, NewJob
from raibid.ledger.heads import KnownJob, Watched
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobSpec, JobStatus

from tests.ledger.conftest import put, take

REPO, REF = "acme/app", "refs/heads/feature"


def push(sha: str, *, ref: str = REF, group: str = f"{REPO}|{REF}", seen: float = 0.0) -> NewJob:
    """A push whose dedupe key is its commit."""
    spec = JobSpec(repo=REPO, clone_url="https://forge.test/a.git", ref=ref, sha=sha * 40, group=group)
    return NewJob(spec=spec, dedupe=sha, seen=seen)


def test_heads_are_remembered_and_forgotten_one_by_one(ledger: Ledger) -> None:
    ledger.heads.remember("gitea", REPO, {"refs/heads/a": "1", "refs/heads/ä|b": "2"})
    ledger.heads.remember("github", REPO, {"refs/heads/a": "3"})
    ledger.heads.remember("gitea", REPO, {})
    ledger.heads.forget("gitea", REPO, ["refs/heads/a", "refs/heads/never"])
    assert ledger.heads.seen("gitea", REPO) == {"refs/heads/ä|b": "2"}
    assert ledger.heads.seen("github", REPO) == {"refs/heads/a": "3"}


def test_a_renamed_repository_keeps_what_is_remembered_of_it_also_when_it_is_said_twice(ledger: Ledger) -> None:
    ledger.heads.watch("gitea", {REPO: Watched("in", 1.0, 2.0)})
    ledger.heads.remember("gitea", REPO, {REF: "1"})
    for _ in range(2):
        ledger.heads.rename("gitea", REPO, "acme/new")
    assert ledger.heads.watched("gitea") == {"acme/new": Watched("in", 1.0, 2.0)}
    assert ledger.heads.seen("gitea", "acme/new") == {REF: "1"}
    assert ledger.heads.seen("gitea", REPO) == {}


def test_the_first_listing_of_a_forge_is_the_one_that_counts(ledger: Ledger) -> None:
    assert ledger.heads.listed("gitea") == 0.0
    ledger.heads.note_listed("gitea", 5.0)
    ledger.heads.note_listed("gitea", 7.0)
    assert (ledger.heads.listed("gitea"), ledger.heads.listed("github")) == (5.0, 0.0)
    assert ledger.heads.watched("gitea") == {}


def test_the_job_of_a_head_is_the_last_retry_of_the_one_that_its_key_names(ledger: Ledger) -> None:
    [first] = put(ledger, push("a"))
    claim = take(ledger)
    ledger.finish(claim.job.id, claim.token, JobStatus.FAILED)
    again = ledger.retry(first)
    assert ledger.heads.jobs(["a", "b"]) == [KnownJob(again.id, JobStatus.QUEUED), None]
    assert ledger.heads.jobs([]) == []


def test_a_job_that_was_called_off_for_another_commit_of_its_ref_is_outdated(ledger: Ledger) -> None:
    old, new = put(ledger, push("a"), push("b"))
    assert ledger.heads.jobs(["a", "b"]) == [
        KnownJob(old, JobStatus.CANCELLED, outdated=True),
        KnownJob(new, JobStatus.QUEUED),
    ]


def test_a_job_that_somebody_or_another_branch_called_off_is_not(ledger: Ledger) -> None:
    by_hand, elsewhere, _ = put(
        ledger, push("a", group="x"), push("b", group="y"), push("c", group="y", ref="refs/heads/other")
    )
    ledger.cancel(by_hand, "ann")
    assert [job.outdated for job in ledger.heads.jobs(["a", "b"]) if job] == [False, False]
    assert ledger.heads.jobs(["b"]) == [KnownJob(elsewhere, JobStatus.CANCELLED)]


def test_a_superseded_build_that_was_done_before_it_heard_is_not_outdated(ledger: Ledger) -> None:
    put(ledger, push("a"))
    claim = take(ledger)
    put(ledger, push("b"))
    assert [job.outdated for job in ledger.heads.jobs(["a"]) if job] == [True]
    ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    assert [job.outdated for job in ledger.heads.jobs(["a"]) if job] == [False]


def test_what_a_forge_tells_of_a_repository_that_is_looked_at_is_remembered_with_its_job(ledger: Ledger) -> None:
    def told(sha: str) -> NewJob:
        made = push(sha)
        return structs.replace(made, spec=structs.replace(made.spec, forge="gitea"), told=True)

    put(ledger, told("a"))
    assert ledger.heads.seen("gitea", REPO) == {}, "of which nobody would forget what is gone"
    ledger.heads.remember("gitea", REPO, {"refs/heads/main": "1"})
    put(ledger, told("b"), structs.replace(told("c"), told=False))
    assert ledger.heads.seen("gitea", REPO) == {"refs/heads/main": "1", REF: "b" * 40}
    put(ledger, told("a"))
    assert ledger.heads.seen("gitea", REPO)[REF] == "a" * 40, "its job is there already"


def test_jobs_of_any_number_of_heads_are_found_in_their_order(ledger: Ledger) -> None:
    [last] = put(ledger, push("a"))
    found = ledger.heads.jobs([*(str(number) for number in range(1_200)), "a"])
    assert (len(found), found[-1]) == (1_201, KnownJob(last, JobStatus.QUEUED))


def test_a_forge_that_is_not_listed_any_more_begins_anew(ledger: Ledger) -> None:
    ledger.heads.watch("gitea", {REPO: Watched("in")})
    ledger.heads.note_listed("gitea", 5.0)
    ledger.heads.note_unlisted("gitea")
    assert (ledger.heads.listed("gitea"), ledger.heads.watched("gitea")) == (0.0, {REPO: Watched("in")})


def test_the_apis_user_may_do_all_of_it(tmp_path: Path) -> None:
    acl = tmp_path / "users.acl"
    acl.write_text(acl_file({user: f"{user}-secret" for user in RULES}))
    with RedisServer(tmp_path / "redis", acl_file=acl) as server:
        api = Ledger.connect(server.url, username=AclUser.API, password=f"{AclUser.API}-secret")
        api.setup()
        put(api, push("a"), push("b", seen=api.heads.clock()))
        api.heads.watch("gitea", {REPO: Watched("in")})
        api.heads.remember("gitea", REPO, {REF: "1"})
        api.heads.rename("gitea", REPO, "acme/new")
        api.heads.note_listed("gitea", 1.0)
        assert len(api.heads.jobs(["a", "b"])) == 2
        api.heads.drop("gitea", "acme/new")
        assert not api.heads.watched("gitea")
        assert not api.heads.seen("gitea", "acme/new")
        api.close()
