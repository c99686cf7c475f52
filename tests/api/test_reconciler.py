"""What no webhook brought is built, once; what was there before, or was brought in time, is not."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.reconciler import Reconciler
from raibid.forge import Build, Enrolment, decide, dedupe_key
from raibid.ledger import Ledger, NewJob
from raibid.model.job import Job, JobStatus
from raibid.model.push_event import ZERO_SHA, PushEvent

from tests.api.forge_of_heads import MAIN, ForgeOfHeads, sha_of

ANVIL = "acme/anvil"


@dataclass
class Pool:
    """A ledger, a forge whose webhooks the test delivers or drops, and one API process after another."""

    ledger: Ledger
    forge: ForgeOfHeads = field(default_factory=ForgeOfHeads)
    enrolment: Enrolment = field(default_factory=Enrolment.everything)
    now: float = 1_000_000.0
    reconciler: Reconciler = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, questions: int = 500, fresh: float = 0.0) -> None:
        """A new API process: it remembers nothing."""
        self.metrics = Metrics(self.ledger.depth)
        self.reconciler = self.another(questions, fresh)

    def another(self, questions: int = 500, fresh: float = 0.0) -> Reconciler:
        """One more API process."""
        return Reconciler(
            self.ledger, {self.forge.name: self.forge.connect}, self.enrolment, self.metrics,
            questions=questions, fresh=fresh, clock=lambda: self.now,
            patience=Patience(1.0, 60.0, clock=lambda: self.now, jitter=lambda: 1.0),
        )  # fmt: skip

    def round(self) -> int:
        """The next period's round."""
        self.now += 180.0
        return self.reconciler.round()

    def webhook(self, repository: str, branch: str, *, message: str = "") -> None:
        """The delivery of a push, in time or late."""
        home = self.forge.there[repository]
        event = PushEvent(
            forge=self.forge.name, repo=repository, clone_url=home.info.clone_url, ref=f"refs/heads/{branch}",
            before=ZERO_SHA, after=home.branches[branch], message=message, default_branch="main",
        )  # fmt: skip
        verdict = decide(event, self.enrolment)
        if isinstance(verdict, Build):
            self.ledger.enqueue([NewJob(spec=verdict.spec, dedupe=verdict.dedupe, hold=verdict.hold)])

    def jobs(self) -> list[Job]:
        return self.ledger.records.page(limit=500).jobs

    def built(self) -> list[tuple[str, str, str]]:
        """Repository, ref and commit of every job there ever was."""
        return sorted((job.spec.repo, job.spec.ref, job.spec.sha) for job in self.jobs())

    def a_day_later(self) -> None:
        """All jobs have ended and their dedupe keys have expired."""
        while claim := self.ledger.claim("agent"):
            self.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
        for key in self.ledger.client.scan_iter(f"{self.ledger.keys.dedupe}*"):
            self.ledger.client.delete(key)

    def count(self, outcome: str) -> float:
        labels = {"forge": self.forge.name, "outcome": outcome}
        return self.metrics.registry.get_sample_value("raibid_reconciled_total", labels) or 0.0

    def age(self) -> float | None:
        return self.metrics.registry.get_sample_value("raibid_reconcile_age_seconds", {"forge": self.forge.name})


@pytest.fixture
def pool(ledger: Ledger) -> Pool:
    """A forge with one repository, which has been seen."""
    pool = Pool(ledger)
    pool.forge.push(ANVIL, "main", "first")
    pool.round()
    assert not pool.built()
    return pool


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


def test_dedupe_is_the_webhooks(pool: Pool) -> None:
    sha = pool.forge.push(ANVIL, "main", "second")
    pool.round()
    [job] = pool.jobs()
    [known] = pool.ledger.heads.jobs([dedupe_key(ANVIL, MAIN, sha)])
    assert known is not None
    assert known.id == job.id
