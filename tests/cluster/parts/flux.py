"""Flux's applier: the real kustomize-controller, with the flags that the emitted FluxInstance gives it.

Owns: its command line, what the Flux Operator would make of the FluxInstance (source and root stage), asking for a
reconciliation and reading what came of it.
Leaves to others: the artifact (`publisher`), helm-controller and nodes (`tree.stand_ins`), the tree (`components
push`).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from raibid.local.redis_server import free_port

from components.flux import flux_instance
from components.flux_objects import NAMESPACE, SOURCE
from components.settings import Settings
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.process import Part, answers
from tests.cluster.tools.toolchain import tool
from tests.cluster.tree.api import Api, Manifest

NAME: Final = "kustomize-controller"
STAGE: Final = "kustomize.toolkit.fluxcd.io/v1"
WATCHED: Final[tuple[Manifest, ...]] = tuple(
    {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind}
    for kind in ("GitRepository", "OCIRepository", "Bucket", "ExternalArtifact")
)
"""Kinds of source that the controller watches: it does not work until it has seen all of their CRDs."""
_REQUESTED: Final = "reconcile.fluxcd.io/requestedAt"


@dataclass(frozen=True)
class Line:
    """One line of the controller's log."""

    time: str
    stage: str
    message: str
    fields: Mapping[str, Any]


class KustomizeController(Part):
    """One controller that watches the whole cluster."""

    def __init__(self, directory: Path, plane: ControlPlane, settings: Settings, *, events: str = "") -> None:
        """`events`: the URL that its events are told to, where there is something like notification-controller."""
        health, metrics = free_port(), free_port()
        super().__init__(
            NAME,
            directory,
            [
                tool(NAME),
                f"--health-addr=127.0.0.1:{health}",
                f"--metrics-addr=127.0.0.1:{metrics}",
                "--enable-leader-election=false",
                "--watch-all-namespaces=true",
                f"--events-addr={events}",
                *emitted_flags(settings),
                # The last one counts: eight stages that look every five seconds whether it is their turn are a minute.
                "--requeue-dependency=200ms",
            ],
            ready=answers(f"http://127.0.0.1:{health}/readyz"),
            env={
                "RUNTIME_NAMESPACE": NAMESPACE,
                "KUBECONFIG": str(plane.kubeconfig()),
                "NO_PROXY": "127.0.0.1",
                "TMPDIR": str(_private(directory / "scratch")),
            },
        )

    def journal(self) -> list[Line]:
        """What it has done so far, in order, from its log."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [Line(str(line["ts"]), str(line.get("name", "")), str(line["msg"]), line) for line in lines]


def _private(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def emitted_flags(settings: Settings) -> list[str]:
    """What the FluxInstance adds to the controller's arguments."""
    patches = flux_instance(settings)["spec"]["kustomize"]["patches"]
    operations = [
        operation
        for patch in patches
        if patch["target"]["name"] == NAME
        for operation in yaml.safe_load(patch["patch"])
    ]
    return [item["value"] for item in operations if item["path"].endswith("/args/-")]


def root_objects(settings: Settings) -> list[Manifest]:
    """GitRepository and root Kustomization, as the Flux Operator makes them of the FluxInstance's `sync`."""
    sync = flux_instance(settings)["spec"]["sync"]
    metadata = {"name": SOURCE, "namespace": NAMESPACE}
    return [
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": metadata,
            "spec": {
                "interval": sync["interval"],
                "url": sync["url"],
                "ref": {"name": sync["ref"]},
                "secretRef": {"name": sync["pullSecret"]},
            },
        },
        {
            "apiVersion": STAGE,
            "kind": "Kustomization",
            "metadata": metadata,
            "spec": {
                "interval": sync["interval"],
                "path": f"./{sync['path']}",
                "prune": True,
                "sourceRef": {"kind": sync["kind"], "name": SOURCE},
            },
        },
    ]


class Stages:
    """The Flux Kustomizations of a cluster, as their controller reports them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __getitem__(self, name: str) -> dict[str, Any]:
        """One of them, as it is now."""
        return dict(self._api.get(_stage(name)).body)

    def names(self) -> list[str]:
        """All there are."""
        return [item["metadata"]["name"] for item in self._api.list(STAGE, "Kustomization", NAMESPACE)]

    def condition(self, name: str, kind: str = "Ready") -> dict[str, str]:
        """A condition of one; empty while there is none."""
        found = self[name].get("status", {}).get("conditions", [])
        return next((dict(item) for item in found if item["type"] == kind), {})

    def applied(self, name: str, revision: str) -> bool:
        """Whether it is Ready at that commit."""
        stage = self[name]
        at = str(stage.get("status", {}).get("lastAppliedRevision", ""))
        return at.endswith(revision) and self.condition(name).get("status") == "True"

    def all_applied(self, revision: str) -> bool:
        """Whether every one of them is Ready at that commit."""
        return all(self.applied(name, revision) for name in self.names())

    def request(self, name: str) -> str:
        """Ask for a reconciliation; the answer is the token that `handled` looks for."""
        token = datetime.datetime.now(datetime.UTC).isoformat()
        change = {"metadata": {"annotations": {_REQUESTED: token}}}
        answer = self._api.merge(_stage(name), change)
        assert answer.accepted, answer.said
        return token

    def handled(self, name: str, token: str) -> bool:
        """Whether a requested reconciliation is over, well or not."""
        status = self[name].get("status", {})
        going_on = self.condition(name).get("status") == "Unknown"
        return status.get("lastHandledReconcileAt") == token and not going_on


def _stage(name: str) -> Manifest:
    return {"apiVersion": STAGE, "kind": "Kustomization", "metadata": {"name": name, "namespace": NAMESPACE}}
