"""A small fleet under GitOps: Gitea, a real control plane, the real applier, and the commands that a test types.

Owns: putting the parts together, developers' commits, waiting for stages, running `raibid` as a process.
Leaves to others: each part (a file each), the repository's first content (`fleet/`), what is demanded (tests).
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pyrage import x25519
from raibid.contract import Env

from components import sops
from components.flux_objects import NAMESPACE, SOPS_AGE, SOURCE
from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.gitops.alerts import Alerts
from tests.cluster.gitops.kubelet import Kubelet
from tests.cluster.gitops.source import REQUESTED, SourceController
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.developer import Checkout, Developer
from tests.cluster.parts.flux import STAGE, WATCHED, KustomizeController, Stages
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.parts.publisher import SOURCE_OBJECT
from tests.cluster.tree.api import Api, Manifest
from tests.cluster.tree.emitted import SEED, definitions, install
from tests.waiting import until

PATIENCE: Final = 240.0
"""Seconds for what takes some on an idle machine."""
REPOSITORY: Final = "ada/fleet"
ALERTS_SECRET: Final = "what-flux-signs-its-alerts-with"
RAIBID: Final = str(Path(sys.executable).parent / "raibid")
_FLEET: Final = Path(__file__).parent / "fleet"
_CONTROLLERS: Final = tuple(
    f"{name}-controller" for name in ("deployment", "replicaset", "namespace", "serviceaccount", "garbage-collector")
)
_KINDS: Final[tuple[Manifest, ...]] = (
    {"apiVersion": STAGE, "kind": "Kustomization"},
    {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease"},
    {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"},
    {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet"},
    *WATCHED,
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed with --json."""
        return json.loads(self.out)


class Site(Composite):
    """One cluster that follows one repository of ada's."""

    def __init__(self, directory: Path) -> None:
        self.directory: Final = directory
        self.settings: Final = load_stack("dgx-spark")
        self.key: Final = str(x25519.Identity.generate())
        self.plane: Final = ControlPlane(directory / "plane", controllers=_CONTROLLERS)
        self.gitea: Final = Gitea(directory / "gitea", self.settings, deriver(SEED, self.settings.rotation))
        self.alerts: Final = Alerts(ALERTS_SECRET)
        self.controller: Final = KustomizeController(
            directory / "flux", self.plane, self.settings, events=self.alerts.url
        )

    @cached_property
    def api(self) -> Api:
        """As the administrator; for the test's own thread."""
        return Api(self.plane)

    @cached_property
    def stages(self) -> Stages:
        """The Kustomizations."""
        return Stages(self.api)

    @cached_property
    def desk(self) -> Checkout:
        """Ada's working copy."""
        return self.gitea.developer("ada").create(REPOSITORY)

    @property
    def head(self) -> str:
        """The branch's newest commit, as Gitea has it."""
        return self.desk.git("ls-remote", "origin", "refs/heads/main").partition("\t")[0]

    def file(self, path: str) -> str:
        """A file of the branch's newest commit."""
        self.desk.git("fetch", "--quiet", "origin")
        return self.desk.git("show", f"origin/main:{path}")

    def push(self, files: Mapping[str, str | None], message: str = "by hand", *, told: bool = True) -> str:
        """Ada's commit on top of the newest; told as Gitea's webhook would. The answer is the commit."""
        if (self.desk.directory / "infra").exists():
            self.desk.git("fetch", "--quiet", "origin")
            self.desk.git("reset", "--quiet", "--hard", "origin/main")
        for path, text in files.items():
            file = self.desk.directory / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink() if text is None else file.write_text(text)
        self.desk.git("add", "--all")
        self.desk.git("commit", "--quiet", "--allow-empty", "-m", message)
        self.desk.git("push", "--quiet", "origin", "HEAD:main")
        if told:
            self.fetch()
        return self.desk.git("rev-parse", "HEAD")

    def change(self, path: str, old: str, new: str, message: str = "by hand") -> str:
        """Ada's commit that replaces a text in a file."""
        text = self.file(path)
        assert old in text, f"{path} has no {old}"
        return self.push({path: text.replace(old, new) + "\n"}, message)

    def fetch(self) -> None:
        """Ask for the source, as a Receiver does when it is told of a push."""
        token = datetime.datetime.now(datetime.UTC).isoformat()
        answer = self.api.merge(SOURCE_OBJECT, {"metadata": {"annotations": {REQUESTED: token}}})
        assert answer.accepted, answer.said

    def settled(self, revision: str) -> None:
        """Return when every stage is Ready at that commit."""
        until(lambda: self.stages.all_applied(revision), f"all stages are Ready at {revision}", PATIENCE)

    def well(self) -> str:
        """Return when every stage is Ready at the newest commit, which is the answer."""
        head = self.head
        self.fetch()

        def all_well() -> bool:
            for name in self.stages.names():
                if self.stages.condition(name).get("status") == "False":
                    self.stages.request(name)
            return self.stages.all_applied(head)

        until(all_well, f"every stage is Ready at {head}", PATIENCE)
        return head

    def heal(self) -> None:
        """Return when all is as it was in the beginning, by a commit of ada's if need be."""
        self.source.recover()
        self.age_key(self.key)
        for name in self.stages.names():
            if self.stages[name]["spec"].get("suspend"):
                self.suspend(name, False)
        self.desk.git("fetch", "--quiet", "origin")
        self.desk.git("reset", "--quiet", "--hard", "origin/main")
        self.desk.git("read-tree", "-u", "--reset", self._first)
        if self.desk.git("diff", "--cached", "--name-only", "HEAD"):
            self.desk.git("commit", "--quiet", "-m", "As in the beginning")
            self.desk.git("push", "--quiet", "origin", "HEAD:main")
        self.well()

    def suspend(self, name: str, value: bool = True) -> None:
        """Suspend a stage, or resume it."""
        answer = self.api.merge(stage(name), {"spec": {"suspend": value}})
        assert answer.accepted, answer.said

    def age_key(self, key: str) -> None:
        """Put that key into the Secret by which Flux decrypts."""
        self._apply({**_SOPS, "stringData": {"age.agekey": key}})

    def raibid(self, *arguments: str, stdin: str = "", **environment: str) -> Ended:
        """`raibid …` as ada types it, until it ends."""
        done = subprocess.run(
            [RAIBID, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env={**self.environment, **environment},
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """What `raibid` needs to know: the cluster, the forge, the credentials."""
        login = self.desk.owner.api.login
        credentials = self.directory / "credentials"
        credentials.touch(mode=0o600)
        credentials.write_text(f"http://{login.name}:{login.password.get_secret_value()}@{self.gitea.address}\n")
        key = self.directory / "age.txt"
        key.touch(mode=0o600)
        key.write_text(f"{self.key}\n")
        settings = self.directory / "gitops.yaml"
        settings.write_text(json.dumps({"hosts": [self.gitea.address], "policy": "push"}))
        return {
            **os.environ,
            "KUBECONFIG": str(self.plane.kubeconfig()),
            "NO_PROXY": "127.0.0.1",
            "SOPS_AGE_KEY_FILE": str(key),
            Env.GITOPS_FILE: str(settings),
            Env.FORGE_CREDENTIALS_FILE: str(credentials),
        }

    def _apply(self, manifest: Manifest) -> None:
        answer = self.api.apply(manifest, manager="flux-operator", force=True)
        assert answer.accepted, answer.said

    def _prepare(self) -> None:
        install(self.api, definitions(*_KINDS))
        self._apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self.age_key(self.key)
        url = f"{self.gitea.url}/{REPOSITORY}.git"
        self._apply({**SOURCE_OBJECT, "spec": {"interval": "1h", "url": url, "ref": {"branch": "main"}}})
        self._apply({**stage(SOURCE), "spec": _ROOT})

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(self.alerts)
        stack.enter_context(self.plane)
        stack.enter_context(self.gitea)
        self._prepare()
        files = {str(file.relative_to(_FLEET)): file.read_text() for file in _FLEET.rglob("*.yaml")}
        self._first = self.push({**files, "infra/token.enc.yaml": self.sealed("a secret")}, "The first one")
        flux = Developer(self.desk.owner.api, self.directory / "source-controller").checkout(REPOSITORY)
        self.source = stack.enter_context(SourceController(flux, Api(self.plane)))
        stack.enter_context(Kubelet(lambda: Api(self.plane)))
        stack.enter_context(self.controller)
        self.settled(self._first)

    def sealed(self, token: str) -> str:
        """The Secret of the fleet as its file."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "token", "namespace": "apps"},
            "stringData": {"token": token},
        }
        recipient = str(x25519.Identity.from_str(self.key).to_public())
        return sops.encrypt(secret, [recipient], now=datetime.datetime.now(datetime.UTC)).decode()


_SOPS: Final = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SOPS_AGE, "namespace": NAMESPACE}}
_ROOT: Final = {
    "interval": "10m",
    "retryInterval": "5s",
    "timeout": "30s",
    "prune": True,
    "path": "./clusters/test",
    "sourceRef": {"kind": "GitRepository", "name": SOURCE},
}


def stage(name: str) -> Manifest:
    """Which Kustomization."""
    return {"apiVersion": STAGE, "kind": "Kustomization", "metadata": {"name": name, "namespace": NAMESPACE}}
