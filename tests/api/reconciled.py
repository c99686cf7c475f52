"""A ledger, a forge in memory, and the API processes between them: time, crashes and deliveries are the test's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from unittest import mock

from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.reconciler import Reconciler
from raibid.forge import Build, Enrolment, decide
from raibid.ledger import Ledger, NewJob
from raibid.ledger.heads import Heads
from raibid.model.job import Job, JobStatus
from raibid.model.push_event import ZERO_SHA, PushEvent
from ruamel.yaml import YAML

from tests.api.forge_of_heads import ForgeOfHeads

ANVIL = "acme/anvil"
ASKED = ("heads", "pulls")
WRITTEN = ("enqueue", "remember", "watch", "forget", "note_listed")
"""The steps of a round that a crash may come before or after."""


def enrolled(text: str) -> Enrolment:
    return Enrolment.model_validate(YAML(typ="safe").load(text))


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

    def webhook(self, repository: str, branch: str, *, sha: str = "", before: str = ZERO_SHA) -> None:
        """The delivery of a push, in time or late."""
        home = self.forge.there[repository]
        event = PushEvent(
            forge=self.forge.name, repo=repository, clone_url=home.info.clone_url, ref=f"refs/heads/{branch}",
            before=before, after=sha or home.branches[branch], default_branch="main",
        )  # fmt: skip
        verdict = decide(event, self.enrolment)
        if isinstance(verdict, Build):
            self.ledger.enqueue([NewJob(spec=verdict.spec, dedupe=verdict.dedupe, hold=verdict.hold, told=True)])

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


class DiedError(Exception):
    """The process is gone: nothing of it may catch this."""


@contextmanager
def failing(forge: ForgeOfHeads, step: str, nth: int, error: Exception, *, done: bool) -> Iterator[None]:
    """The step's `nth` time fails, and all after it; `done`: what it was for has happened nevertheless."""
    times = count()

    def stepped(*args: Any, **kw: Any) -> Any:
        number = next(times)
        answer = original(*args, **kw) if number < nth or (number == nth and done) else None
        if number >= nth:
            raise error
        return answer

    owner: Any = {"enqueue": Ledger, "heads": forge, "pulls": forge}.get(step, Heads)
    original = getattr(owner, step)
    with mock.patch.object(owner, step, stepped):
        yield
