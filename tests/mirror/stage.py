"""A small world of mirrors: what `mirrors.yaml` asks for, what Gitea has, one run of plan and apply.

Owns: the scenario in which every kind of action occurs.
Leaves to others: Gitea itself (`gitea_fake.py`), GitHub's own API (tests/forge).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from raibid.forge.forge import RepositoryInfo
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.mirror.actions import Plan
from raibid.mirror.apply import Applier, Step, Summary
from raibid.mirror.config import ARCHIVED_MARK, MARK, MirrorsFile
from raibid.mirror.desired import Desired, Listing, desire
from raibid.mirror.lint import lint
from raibid.mirror.plan import plan
from raibid.mirror.survey import actual
from raibid.mirror.tokens import Tokens

from tests.mirror.gitea_fake import FakeGitea

FILE = b"""
defaults: {interval: 1h, looks: gitea}
single:
  - {github: misc/tool, target: mirrors/tool, description: A tool}
org:
  - {github: acme, target: acme, exclude: [secret]}
"""


def public_address(_host: str, _port: int) -> list[str]:
    return ["140.82.112.3"]


def of(text: bytes) -> MirrorsFile:
    linted = lint(text)
    assert linted.file, str(linted)
    return linted.file


def info(name: str, **facts: object) -> RepositoryInfo:
    """A repository as GitHub lists it."""
    owner = name.partition("/")[0]
    assert owner
    return RepositoryInfo(full_name=name, clone_url=f"https://github.com/{name}.git", **facts)  # type: ignore[arg-type]


@dataclass
class World:
    """Everything of one scenario."""

    gitea: FakeGitea
    directory: Path
    file: MirrorsFile = field(default_factory=lambda: of(FILE))
    listed: dict[str, Listing] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def set_up(self) -> None:
        """Each kind: an owner and mirrors to make, some to adopt, change and archive, an orphan, a conflict."""
        names = ("new", "adopted", "changed", "taken", "secret", "back")
        self.listed["acme"] = Listing(repositories=[info(f"acme/{name}") for name in names])
        self.gitea.sources |= {f"https://github.com/acme/{name}.git" for name in names}
        self.gitea.sources.add("https://github.com/misc/tool.git")
        ours = {"topics": [MARK], "mirror_interval": "1h0m0s"}
        self.gitea.make("acme/adopted", source="https://github.com/acme/adopted")
        self.gitea.make(
            "acme/changed", **{**ours, "mirror_interval": "8h0m0s"}, private=False, source=source("changed")
        )
        self.gitea.make("acme/taken")
        self.gitea.make("acme/secret", **ours, source=source("secret"))
        self.gitea.make("acme/gone", **ours, source=source("gone"))
        self.gitea.make("acme/archived-back", topics=[ARCHIVED_MARK, MARK], mirror_interval="0s", source=source("back"))
        self.gitea.make("old/tool", **ours, source="https://gitlab.com/old/tool.git")

    @property
    def desired(self) -> Desired:
        return desire(self.file, self.listed)

    def client(self) -> GiteaMirrors:
        return GiteaMirrors.connect(self.gitea.url, self.gitea.credentials(self.directory / "credentials"), tries=0)

    def plan(self, *prune: str) -> Plan:
        with self.client() as client:
            return plan(self.desired, actual(self.desired, client), prune)

    def run(self, *prune: str, patience: float = 0.0) -> Summary:
        """What `raibid mirror apply` does. Raises CallError when there is no plan."""
        with self.client() as client:
            applier = Applier(
                gitea=client,
                tokens=Tokens(self.directory),
                guard=self.file.guard(public_address),
                tell=self.steps.append,
                patience=patience,
                look=0.001,
            )
            return applier.apply(plan(self.desired, actual(self.desired, client), prune))


def source(name: str) -> str:
    return f"https://github.com/acme/{name}.git"
