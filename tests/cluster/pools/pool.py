"""The whole pool on a real node: what the stack emits, with small agents, on this machine.

Owns: which parts there are, in which order; the two patches that a machine without cluster DNS and storage
provisioner needs; small agents instead of the stack's.
Leaves to others: each part (a file per part), what is asked of the pool (tests, `make demo-cluster`, the bench).

A `Pool` that is entered gives:

* `control_plane`: the API server and its controllers, with scheduler; `.kubectl("get", "pods", "-n", "ci")`;
* `node`: containerd and kubelet (`node.kubelet.kill()`, `node.kubelet.start()`, the same for `node.containerd`;
  `node.containerd.load(archive)`);
* `line`: Redis (`line.redis`), the raibid API (`line.api`, `line.url`, `line.token()`), Gitea (`line.gitea`), as host
  processes on the bridge's address, which pods reach; `line.ledger()` is the ledger as the API sees it;
* `address`: the bridge's, for whatever else pods are to reach (`git_http.GitServer`);
* `controller`: `raibid controller`, with the rights of the emitted Role and no more;
* `keda`: KEDA's operator (`scaler="keda"`), else None;
* every object of namespace `ci` that the stack emits, applied: quota, limits, accounts, Secrets, claims,
  NetworkPolicies (which nothing enforces here), the ScaledJob or the direct scaler's CronJob; beside them
  PriorityClasses and admission policies.

Beside addresses in the place of Services' names there is one patch: volumes. The emitted claims are bound to
PersistentVolumes that are directories here, the ones that the API process has too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import yaml
from raibid.ledger import Ledger

from components import controller
from components.agent_pod import NAMESPACE
from components.manifest_tree import Manifest, to_yaml
from components.settings import Scaler
from components.workload import as_text
from tests.cluster.node.agent_image import Built, agent_image
from tests.cluster.node.node import Node, cluster_with_node
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.keda import Keda
from tests.cluster.parts.namespace import namespace
from tests.cluster.parts.process import Part
from tests.cluster.pools.line import Line
from tests.cluster.tree.emitted import Sealed, seal

STACK: Final = "dev"
SMALL: Final[Mapping[str, str]] = {
    "ci_agent_max": "7",
    "ci_agent_warm": "0",
    "ci_agent_cpu": "100m",
    "ci_agent_cpu_limit": "1",
    "ci_agent_memory": "256Mi",
    "ci_agent_memory_limit": "256Mi",
    "ci_agent_scratch": "1Gi",
}
"""cluster-vars of agents for a machine of two cores."""
_BESIDE: Final = 2
"""Pods of the namespace that are no agents: API and controller."""
_CLUSTER_WIDE: Final = ("PriorityClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_PROCESSES: Final = ("Deployment", "PodDisruptionBudget")
_FIRST: Final = ("PriorityClass", "ServiceAccount", "Secret", "ConfigMap", "PersistentVolumeClaim")


class Pool(Composite):
    """A pool of its own: directory, bridge, ports; any number run side by side, memory permitting (1.2 GB each)."""

    def __init__(
        self,
        directory: Path,
        *,
        scaler: Scaler = "direct",
        cluster_vars: Mapping[str, str] | None = None,
        images: tuple[Built, ...] | None = None,
        api_env: Mapping[str, str] | None = None,
        redis_env: Mapping[str, str] | None = None,
        forge: bool = True,
    ) -> None:
        """`cluster_vars`: further values of `${…}`; `images`: archives to import, None: the agent's, really built;
        `forge`: with Gitea."""
        self.directory: Final = directory
        self.tree: Final = _with(seal(STACK, scaler=scaler), _sized({**SMALL, **(cluster_vars or {})}))
        self._images = images
        self._line: dict[str, Any] = {"api_env": api_env, "redis_env": redis_env, "forge": forge}
        self._archives: list[Path] = []
        self.address: str
        """The bridge's: where pods reach this machine."""
        self.control_plane: ControlPlane
        self.node: Node
        self.line: Line
        self.controller: Part
        self.keda: Keda | None = None

    def ledger(self) -> Ledger:
        """The ledger as the API's user has it."""
        return self.line.ledger()

    @property
    def image(self) -> str:
        """What agents run."""
        image = self.tree.settings.images.agent
        return f"{image.repository}:{image.tag}"

    def pods(self) -> list[str]:
        """Names of the agents' pods."""
        return self.control_plane.kubectl(
            "get", "pods", f"--namespace={NAMESPACE}", "--output=jsonpath={.items[*].metadata.name}"
        ).split()

    def load_images(self) -> None:
        """Import the agents' image (again)."""
        self.node.containerd.load(*self._archives)

    def logs(self) -> str:
        """The end of every part's log, for a failure's report."""
        parts = [*self.control_plane.parts, self.node.containerd, self.node.kubelet, self.line.api, self.controller]
        parts += [self.keda] if self.keda else []
        return "\n\n".join(f"--- {part.name}\n{part.tail()}" for part in parts)

    def _start(self, stack: ExitStack) -> None:
        images = self._images if self._images is not None else (agent_image(self.tree.settings.images.agent),)
        self._archives = [image.archive for image in images]
        joined = stack.enter_context(cluster_with_node(self.directory, images=self._archives))
        self.control_plane, self.node = joined.control_plane, joined.node
        self.address = joined.network.address
        self.line = stack.enter_context(Line(self.directory / "line", self.tree, address=self.address, **self._line))
        if self.tree.settings.scaler == "keda":
            self.keda = Keda(self.control_plane, NAMESPACE)
            self.keda.install()
        self._apply()
        self.controller = stack.enter_context(self._controller())
        if self.keda:
            stack.enter_context(self.keda)

    def _apply(self) -> None:
        """The namespace as Pulumi keeps it, then what Flux applies to it."""
        self.control_plane.apply(namespace(NAMESPACE))
        emitted = [item for item in self.line.manifests() if _belongs(item)]
        claims = [item for item in emitted if item["kind"] == "PersistentVolumeClaim"]
        self.control_plane.apply(*(self._volume(claim) for claim in claims))
        self.control_plane.apply(*sorted(emitted, key=lambda item: item["kind"] not in _FIRST))

    def _volume(self, claim: Manifest) -> Manifest:
        """A directory for one of the claims, and for that one only."""
        name, spec = claim["metadata"]["name"], claim["spec"]
        place = self.line.directory / "claims" / name
        place.mkdir(parents=True, exist_ok=True)
        # As local-path makes them: whoever the pod runs as may write, also to directories made for a `subPath`.
        place.chmod(0o777)
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "storageClassName": spec.get("storageClassName", ""),
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "claimRef": {"namespace": NAMESPACE, "name": name},
                "hostPath": {"path": str(place), "type": "Directory"},
            },
        }

    def _controller(self) -> Part:
        """`raibid controller` by the emitted Deployment, with a token of the emitted account."""
        token = self.control_plane.kubectl("create", "token", controller.NAME, f"--namespace={NAMESPACE}").strip()
        kubeconfig = self.control_plane.kubeconfig(controller.NAME, token=token)
        log = self.line.directory / controller.NAME / f"{controller.NAME}.log"
        return self.line.as_part(
            controller.NAME,
            ready=lambda: "started" in log.read_text(errors="replace"),
            env={"KUBECONFIG": str(kubeconfig), "NO_PROXY": "*"},
            arguments={},
        )


def _belongs(item: Manifest) -> bool:
    """Whether an object is the agents': their namespace's, or everybody's. Deployments run as host processes."""
    if item["kind"] in _PROCESSES:
        return False
    return item["metadata"].get("namespace") == NAMESPACE or item["kind"] in _CLUSTER_WIDE


def _sized(values: Mapping[str, str]) -> dict[str, str]:
    """The same, and as many agents where the budget says how many there may be (template, quota, window)."""
    most, warm = int(values["ci_agent_max"]), int(values["ci_agent_warm"])
    texts = {"ci_agent_max_text": as_text(most), "ci_agent_warm_text": as_text(warm)}
    return {"namespaces_ci_pods": str(most + warm + _BESIDE), **texts, **values}


def _with(tree: Sealed, values: Mapping[str, str]) -> Sealed:
    """The tree with other values for its variables."""
    path = f"clusters/{tree.environment}/cluster-vars.yaml"
    document: dict[str, Any] = yaml.safe_load(tree.emission.files[path])
    assert not values.keys() - document["data"].keys(), "a variable that the stack does not have"
    document["data"] |= values
    files = {**tree.emission.files, path: to_yaml(document)}
    return dataclasses.replace(tree, emission=dataclasses.replace(tree.emission, files=files))
