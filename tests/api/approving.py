"""Held jobs and a forge that knows who may push: what the tests of approvals look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from raibid.api.approvals import Approvals
from raibid.api.metrics import Metrics
from raibid.forge import Enrolment, dedupe_key
from raibid.ledger import Ledger, NewJob
from raibid.model.job import Job, JobStatus

from tests.api.asked_forge import AskedForge
from tests.api.conftest import spec


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
