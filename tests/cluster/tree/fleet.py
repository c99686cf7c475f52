"""A pool's repository under the real applier: pushed by the project's own push, reconciled by Flux, on a fake node.

Owns: putting the parts together as Pulumi would leave them, publishing commits, waiting for stages.
Leaves to others: each part (a file each), what is demanded of it (`test_flux`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from pyrage import x25519

from components.fleet.request import PushResult, push_request
from components.flux_objects import SOPS_AGE
from components.manifest_tree import kustomization, to_yaml
from components.settings import Settings
from components.systems import budget_of
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.flux import WATCHED, KustomizeController, Stages, root_objects
from tests.cluster.parts.publisher import Publisher
from tests.cluster.tree.api import Answer, Api, Manifest
from tests.cluster.tree.emitted import PULUMI, SEED, Sealed, definitions, install, live_objects, seal
from tests.cluster.tree.stand_ins import StandIns, node
from tests.fleet.repository import Repository
from tests.waiting import until

STACK: Final = "dgx-spark"
FAILED: Final = frozenset({"BuildFailed", "HealthCheckFailed", "ReconciliationFailed"})
"""Reasons with which a stage waits for its next try."""
PATIENCE: Final = 240.0
"""Seconds for all stages: ten times what they take on an idle machine."""


class Fleet(Composite):
    """One cluster that follows one repository."""

    def __init__(self, directory: Path) -> None:
        self.key: Final = str(x25519.Identity.generate())
        self._recovery = str(x25519.Identity.generate())
        self.tree: Final = self.emitted()
        self.live: Final = live_objects(self.tree.settings)
        self.repository: Final = Repository(directory / "fleet.git")
        self.plane: Final = ControlPlane(
            directory / "plane", controllers=("*", "-node-lifecycle-controller"), scheduler=True
        )
        self.controller: Final = KustomizeController(directory / "flux", self.plane, self.tree.settings)
        self.apps: Mapping[str, Manifest] = {}
        """What developers' folder says."""

    def emitted(self, **changes: Any) -> Sealed:
        """The stack's tree for this cluster's key; `changes` of its settings."""
        public = {
            name: str(x25519.Identity.from_str(key).to_public())
            for name, key in (("cluster", self.key), ("recovery", self._recovery))
        }
        return seal(STACK, recipients=public, **changes)

    def push(self, tree: Sealed) -> str:
        """`components push`, then the commit is published; the answer is the commit."""
        self.write(tree)
        return self.publisher.publish()

    def write(self, tree: Sealed) -> None:
        """`components push`, as `up` runs it: the repository has the tree, the cluster does not know yet."""
        request = push_request(
            tree.settings,
            tree.emission,
            stack=STACK,
            version="tests",
            url=str(self.repository.directory),
            seed=SEED,
            identity=self.key,
        )
        done = subprocess.run(
            [sys.executable, "-m", "components", "push", "--json"],
            input=request.model_dump_json(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert PushResult.model_validate_json(done.stdout).missing == ()

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Somebody's commit, published."""
        self.repository.commit(dict(files))
        return self.publisher.publish()

    def app(self, **manifests: Manifest) -> str:
        """Developers' folder says exactly this, by file name; published."""
        self.apps = manifests
        folder = f"apps/{self.tree.environment}"
        kept = {path: None for path in self.repository.files if path.startswith(f"{folder}/")}
        listed = kustomization([f"{name}.yaml" for name in manifests])
        texts = {f"{folder}/{name}.yaml": to_yaml(manifest).decode() for name, manifest in manifests.items()}
        return self.commit({**kept, **texts, f"{folder}/kustomization.yaml": to_yaml(listed).decode()})

    def object(self, manifest: Manifest) -> Answer:
        """An object as the cluster has it now."""
        return self.api.get(manifest)

    def settled(self, revision: str) -> None:
        """Return when every stage is Ready at that commit."""
        until(lambda: self.stages.all_applied(revision), f"all stages are Ready at {revision}", PATIENCE)

    def well(self) -> None:
        """Return when every stage is Ready at the newest commit; those that failed need not wait for their retry."""
        revision = self.repository.head

        def all_well() -> bool:
            for stage in self.stages.names():
                if self.stages.condition(stage).get("reason") in FAILED:
                    self.stages.request(stage)
            return self.stages.all_applied(revision)

        until(all_well, f"every stage is Ready at {revision}", PATIENCE)

    def reconcile(self, stage: str) -> dict[str, str]:
        """Have a stage reconciled now; the Ready condition that it ends with."""
        token = self.stages.request(stage)
        until(lambda: self.stages.handled(stage, token), f"{stage} is reconciled", PATIENCE)
        return self.stages.condition(stage)

    def age_key(self, key: str) -> None:
        """Put that key into the Secret by which Flux decrypts."""
        (secret,) = (manifest for manifest in self.live if manifest["metadata"]["name"] == SOPS_AGE)
        self._apply(_with_key(secret, key))

    def _apply(self, manifest: Manifest) -> None:
        answer = self.api.apply(manifest, manager=PULUMI, force=True)
        assert answer.accepted, answer.said

    def _prepare(self) -> None:
        roots = root_objects(self.tree.settings)
        install(self.api, definitions(*self.live, *roots, *WATCHED, *(item.manifest for item in self.tree.applied)))
        for manifest in self.live:
            self._apply(_with_key(manifest, self.key) if manifest["metadata"]["name"] == SOPS_AGE else manifest)
        machine, status = node(*_allocatable(self.tree.settings))
        self._apply(machine)
        self.api.merge(machine, status, status=True)
        # The node-lifecycle controller would take it away; it would also miss a kubelet's heartbeats.
        self.api.merge(machine, {"spec": {"taints": None}})
        for manifest in roots:
            answer = self.api.apply(manifest, manager="flux-operator")
            assert answer.accepted, answer.said

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(self.plane)
        self.api = Api(self.plane)
        self.stages = Stages(self.api)
        self._prepare()
        self.publisher = stack.enter_context(Publisher(self.repository.directory, self.api))
        self.stand_ins = stack.enter_context(StandIns(lambda: Api(self.plane)))
        stack.enter_context(self.controller)


def _with_key(secret: Manifest, key: str) -> Manifest:
    return {**secret, "stringData": {"age.agekey": key}}


def _allocatable(settings: Settings) -> tuple[int, int, int]:
    """What the kubelet of the stack's first node would offer."""
    (first, *_) = settings.nodes
    kept = budget_of(settings).kubelet[first.name]
    cpu = first.cpu - kept.system_cpu - kept.kube_cpu
    memory = first.memory - kept.system_memory - kept.kube_memory - kept.eviction_memory
    return cpu, memory, first.disk - kept.system_disk
