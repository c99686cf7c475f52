"""A rollback controller with everything that it works on: repositories, a forge, a cluster with a Flux in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from raibid.git.cli import Git
from raibid.gitops.rollback.controller import Controller
from raibid.gitops.rollback.controller_settings import ControllerSettings
from raibid.gitops.rollback.metrics import Metrics
from raibid.gitops.rollback.recorder import Recorder
from raibid.gitops.rollback.telling import Told
from raibid.gitops.settings import GitopsSettings

from tests.gitops.flux_twin import FluxTwin
from tests.gitops.git_host import GitHost
from tests.gitops.issue_forge import GiteaIssueApi
from tests.gitops.memory_cluster import MemoryCluster

REPOSITORY = "raibid/fleet"
WEB = "apps/web/web.yaml"
DB = "apps/db/db.yaml"
GOOD = "image: web:1\n"
BAD = "image: missing\n"


@dataclass
class Controlled:
    """`pushed` is a commit that Flux has seen and tried."""

    host: GitHost
    forge: GiteaIssueApi
    cluster: MemoryCluster
    flux: FluxTwin
    credentials: Path
    told: list[Told] = field(default_factory=list)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @classmethod
    def on(cls, host: GitHost, tmp_path: Path) -> Controlled:
        host.repository(REPOSITORY, {WEB: GOOD, DB: "image: db:1\n"})
        forge = GiteaIssueApi(host)
        host.api = forge
        cluster = MemoryCluster()
        cluster.serve("v1", "Event")
        flux = FluxTwin(host, cluster, REPOSITORY, {"web": WEB, "db": DB})
        return cls(host, forge, cluster, flux, host.credentials(tmp_path / "credentials"))

    def controller(self) -> Controller:
        """A new one, as after a restart."""
        settings = ControllerSettings(
            gitops=GitopsSettings(hosts=("127.0.0.1",), author="ci-rollback", email="ci-rollback@raibid.internal"),
            credentials=self.credentials,
        )
        git = Git(
            settings={"user.name": settings.gitops.author, "user.email": settings.gitops.email},
            credentials=self.credentials,
            stop=threading.Event(),
        )
        metrics = Metrics()
        recorder = Recorder(self.cluster, self.credentials, lambda about, error: self._trouble(about, error))
        return Controller(settings, self.cluster, git, recorder, metrics, self.told.append, now=lambda: self.clock())

    def _trouble(self, about: str, error: Exception) -> None:
        self.told.append(Told("trouble", about, str(error)))

    def push(self, text: str, path: str = WEB, message: str = "a change") -> str:
        """A commit that Flux has tried."""
        sha = self.host.commit(REPOSITORY, {path: text}, message)
        self.flux.sync()
        return sha

    def head(self) -> str:
        return self.host.head(REPOSITORY)

    def text(self, path: str = WEB) -> str:
        return self.host.text(REPOSITORY, path)

    def events(self) -> list[str]:
        """Reasons of the Events that were made, in order."""
        return [str(item.body["reason"]) for item in self.cluster.written if item.ref.kind == "Event"]

    def later(self, minutes: float) -> None:
        """Time goes on."""
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        self.clock = lambda: now

    def kinds(self) -> list[str]:
        return [line.kind for line in self.told]


def rounds(controller: Controller, most: int = 6) -> int:
    """Rounds until nothing is under way; how many."""
    for number in range(1, most + 1):
        if not controller.round():
            return number
    raise AssertionError(f"still busy after {most} rounds")
