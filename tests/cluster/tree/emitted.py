"""A stack's objects as the cluster gets them: Pulumi's own first, then the Flux repository's stage by stage.

Owns: rendering a stack with Secrets that were really encrypted and decrypted, the order of its stages, a control plane
that has taken all of it.
Leaves to others: Flux itself (`parts.flux`), what is demanded of the answers (tests).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Final

import yaml
from pyrage import x25519

from components import agent_pod, cluster, namespaces, sops
from components.engine.plan import plan
from components.kustomize.applied import ROOT, Applied
from components.manifest_tree import to_yaml
from components.secret_values import deriver
from components.settings import Settings, load_stack
from components.systems import emission
from policies.rule import AGENTS
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.namespace import namespace
from tests.cluster.tree.api import Answer, Api, Manifest
from tests.contract.schemas import CRDS
from tests.flux.rendered import Rendered
from tests.waiting import until

SEED: Final = "a-seed-of-the-cluster-tests-0123456789abcdef"
PULUMI: Final = "pulumi-kubernetes"
FLUX: Final = "kustomize-controller"
"""Field managers: an object that both apply would have two owners, and the second apply would be refused."""
_FIRST: Final = ("Namespace", "CustomResourceDefinition", "ServiceAccount", "PriorityClass", "StorageClass")
"""What Flux, too, applies before the rest of a stage."""


@dataclass(frozen=True)
class Sealed(Rendered):
    """A rendered tree whose Secrets went through encryption and decryption, as on their way to Flux."""

    @cached_property
    def files(self) -> dict[str, bytes]:
        """What Flux has after decryption."""
        identity = x25519.Identity.generate()
        derive = deriver(SEED, self.settings.rotation)
        now = datetime.datetime.now(datetime.UTC)
        recipients = [str(identity.to_public())]
        secrets = {
            path: to_yaml(sops.decrypt(sops.encrypt(item.manifest(derive), recipients, now=now), str(identity)))
            for path, item in self.emission.secrets.items()
        }
        return {**self.emission.seeds, **self.emission.files, **secrets}

    @property
    def chain(self) -> Iterator[tuple[str, list[Applied]]]:
        """Stage → its objects, in the order in which Flux applies them."""
        for stage in (ROOT, *self.stages):
            found = [item for item in self.applied if item.stage == stage]
            yield stage, sorted(found, key=lambda item: item.manifest["kind"] not in _FIRST)

    @property
    def agent_job(self) -> Manifest:
        """The spec of an agent's Job, whoever makes it."""
        if self.settings.scaler == "direct":
            template: Manifest = self.one("CronJob", agent_pod.NAME)["spec"]["jobTemplate"]
            return dict(template["spec"])
        return dict(self.one("ScaledJob", agent_pod.NAME)["spec"]["jobTargetRef"])


def seal(stack: str, **changes: Any) -> Sealed:
    """A stack's tree; `changes` of its settings: `scaler="direct"`."""
    plain = load_stack(stack).model_dump(by_alias=True)
    settings = Settings.model_validate({**plain, **changes})
    return Sealed(settings, emission(settings))


def live_objects(settings: Settings) -> list[Manifest]:
    """What Pulumi itself puts into the cluster: namespaces first, as its dependencies say.

    A stack without a cluster of Pulumi's gets the namespaces alone, for its tree must be good in any.
    """
    if settings.cluster.kind == "embedded":
        return [namespace(name) for name in cluster.NAMESPACES]
    return sorted(plan(settings.environment).objects().values(), key=lambda manifest: manifest["kind"] not in _FIRST)


def definitions(*wanted: Manifest) -> list[Manifest]:
    """The published CRDs of what these objects are; all of them would keep an API server busy for ten seconds."""
    kinds = {(manifest["apiVersion"].partition("/")[0], manifest["kind"]) for manifest in wanted}
    return [crd for crd in _published() if (crd["spec"]["group"], crd["spec"]["names"]["kind"]) in kinds]


@cache
def _published() -> tuple[Manifest, ...]:
    if not CRDS.is_dir():
        raise FileNotFoundError(f"{CRDS}: no CRDs there; RAIBID_CRDS names their directory")
    files = sorted(CRDS.rglob("*.yaml"))
    return tuple(crd for file in files for crd in yaml.load_all(file.read_bytes(), yaml.CSafeLoader))


def install(api: Api, crds: Sequence[Manifest]) -> None:
    """CRDs as their charts would bring them, and wait until the API server serves each."""
    for crd in crds:
        answer = api.create(crd)
        assert answer.accepted, answer.said
    for crd in crds:
        until(partial(_served, api, crd), f"{crd['metadata']['name']} is served")


def _served(api: Api, crd: Manifest) -> bool:
    return _established(api.get(crd).body)


def _established(crd: Manifest) -> bool:
    conditions: list[Mapping[str, str]] = crd["status"]["conditions"] or []
    return any((c["type"], c["status"]) == ("Established", "True") for c in conditions)


@dataclass(frozen=True)
class Take:
    """One object, who applied it, and what the API server said."""

    stage: str
    manifest: Manifest
    answer: Answer

    @property
    def name(self) -> str:
        """`ci-agents: ScaledJob ci/ci-agent`."""
        metadata = self.manifest["metadata"]
        namespace = metadata.get("namespace")
        place = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
        return f"{self.stage}: {self.manifest['kind']} {place}"


class EmittedCluster(Composite):
    """A control plane that was given all of a stack."""

    def __init__(self, directory: Path, tree: Sealed) -> None:
        self.tree: Final = tree
        self.plane: Final = ControlPlane(directory)
        self.live: Final = live_objects(tree.settings)
        self.takes: list[Take] = []

    @cached_property
    def api(self) -> Api:
        """As the administrator."""
        return Api(self.plane)

    def acting_as(self, account: str) -> Api:
        """As a service account, `namespace/name`."""
        namespace, _, name = account.partition("/")
        return Api(self.plane, impersonate=f"system:serviceaccount:{namespace}:{name}")

    def agent(self, name: str) -> Manifest:
        """A pod as KEDA's Jobs, or the controller's, make it."""
        template = self.tree.agent_job["template"]
        metadata = {**template.get("metadata", {}), "name": name, "namespace": AGENTS}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}

    def apply_all(self) -> list[Take]:
        """Every object once, in order; nothing is forced, so one that has another owner is refused."""
        takes = [Take("pulumi", item, self.api.apply(item, manager=PULUMI)) for item in self.live]
        for stage, items in self.tree.chain:
            takes += [Take(stage, item.manifest, self.api.apply(item.manifest, manager=FLUX)) for item in items]
        return takes

    def _open(self) -> bool:
        """Whether what only the controllers bring is there; until then pods are refused, or counted by no quota."""
        named = [item["metadata"] for item in self.api.list("v1", "ServiceAccount")]
        accounts = {item["namespace"] for item in named if item["name"] == "default"}
        quotas = self.api.list("v1", "ResourceQuota")
        counted = all(item["spec"]["hard"] == item["status"].get("hard") for item in quotas)
        return counted and accounts >= set(namespaces.POD_SECURITY)

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(self.plane)
        install(self.api, definitions(*self.live, *(item.manifest for item in self.tree.applied)))
        self.takes = self.apply_all()
        until(self._open, "every namespace of the pool takes pods")
