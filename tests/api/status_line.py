"""One line from the ledger to a forge, for the tests of what forges are told: time and crashes are the test's."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from raibid.api.comments import Comments
from raibid.api.metrics import Metrics
from raibid.api.patience import Patience
from raibid.api.statuses import Statuses
from raibid.api.telling import Telling
from raibid.forge.commit_status import CommitStatus
from raibid.forge.gitea import GiteaClient
from raibid.ledger import Ledger

from tests.api.conftest import SHA, enqueue
from tests.forge.fake_forge import FakeForge

push = partial(enqueue, forge="gitea")
"""A job whose forge is to be told."""


class DiedError(Exception):
    """The process is gone: nothing of it may catch this."""


class DyingClient(GiteaClient):
    """The forge takes the status, and the API dies before it notes so."""

    def set_status(self, repository: str, sha: str, status: CommitStatus) -> None:  # type: ignore[override]
        super().set_status(repository, sha, status)
        raise DiedError


@dataclass
class Line:
    """The ledger's untold jobs, told to a forge by one API process after another; the clock is the test's."""

    ledger: Ledger
    forge: FakeForge
    credentials: Path
    now: float = 0.0
    telling: Telling = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, client: type[GiteaClient] = GiteaClient) -> None:
        """A new API process: it remembers nothing."""
        self.metrics = Metrics(self.ledger.depth)
        self.telling = Telling(
            self.ledger,
            {"gitea": partial(client.connect, self.forge.url, self.credentials, tries=0)},
            [Statuses("https://ci.example.test"), Comments(self.ledger, "https://ci.example.test")],
            self.metrics,
            patience=partial(Patience, clock=lambda: self.now, jitter=lambda: 1.0),
            clock=lambda: self.now,
        )

    def round(self) -> int:
        return self.telling.round()

    def later(self) -> int:
        """A round after every back-off."""
        self.now += 1_000.0
        return self.round()

    def shown(self, sha: str = SHA, context: str = "raibid") -> str:
        return self.forge.shown(sha, context)

    def count(self, outcome: str, of: str = "statuses") -> float:
        labels = {"forge": "gitea", "outcome": outcome}
        return self.metrics.registry.get_sample_value(f"raibid_{of}_total", labels) or 0.0

    def untold(self) -> list[str]:
        """Jobs that the forge does not know the state of."""
        return self.ledger.untold(1_000)
