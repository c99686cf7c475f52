"""The GPU as a resource that pods ask for: the device plugin, with one GPU lent to several pods at a time.

Owns: the device plugin's release, its time slices, the RuntimeClass.
Leaves to others: driver and container runtime of the host (`k3s`), which jobs may use the GPU (the enrolment's
`resource`), memory kept free for models (`reserved.inferenceMemory`): time slices isolate no memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint, Workload
from components.flux_objects import helm_release
from components.manifest_tree import Manifest, Tree, emit
from components.settings import Settings
from components.units import MI
from components.versions import CHARTS
from components.workload import metadata, resources

NAME: Final = "nvidia"
FLOWS: Final = ()
NAMESPACE: Final = "kube-system"
"""Not restricted: the plugin talks to the kubelet over a host path."""
DIRECTORY: Final = "infrastructure/controllers/nvidia"
RUNTIME_CLASS: Final = "nvidia"
NODE_LABEL: Final = "nvidia.com/gpu.present"
"""Set on nodes with a GPU by k3s' `node-label`: no discovery daemon runs for the sake of one label."""
# One config for all nodes. No MIG on GB10.
_CONFIG: Final = """\
version: v1
flags:
  migStrategy: none
sharing:
  timeSlicing:
    resources:
      - name: nvidia.com/gpu
        replicas: ${nvidia_gpu_replicas}
"""


def wanted(settings: Settings) -> bool:
    """Whether any node has a GPU to lend."""
    return any(node.gpu for node in settings.nodes)


def footprint(settings: Settings) -> Footprint:
    """One small pod per node."""
    plugin = Workload(name="nvidia-device-plugin", namespace=NAMESPACE, cpu=50, memory=64 * MI, every_node=True)
    return Footprint(NAME, (plugin,))


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    workload = footprint(settings).of("nvidia-device-plugin")
    release = helm_release(CHARTS["nvidia-device-plugin"], namespace=NAMESPACE, values=_values(workload), system=NAME)
    return Tree(NAME, {DIRECTORY: [*release, _runtime_class()]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment: slices per GPU, alike on all nodes by a rule of the settings."""
    return {"nvidia_gpu_replicas": str(next((node.gpu.replicas for node in settings.nodes if node.gpu), 1))}


def _values(workload: Workload) -> Mapping[str, Any]:
    return {
        "runtimeClassName": RUNTIME_CLASS,
        "config": {"map": {"default": _CONFIG}, "default": "default"},
        "resources": resources(workload),
        # On other nodes the runtime class has no handler. The chart's own affinity takes this label as well as those
        # that a discovery daemon would set.
        "nodeSelector": {NODE_LABEL: "true"},
    }


def _runtime_class() -> Manifest:
    # k3s makes it as well when it finds the runtime at its start; then that one stays.
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": metadata(RUNTIME_CLASS, None, NAME, **{"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}),
        "handler": "nvidia",
    }


@dataclass(frozen=True, kw_only=True)
class NvidiaArgs:
    """What the component needs."""

    settings: Settings


class Nvidia(ComponentResource):
    """The device plugin in the stack's graph: Flux installs it, the stack shows which of its files change."""

    def __init__(self, name: str, args: NvidiaArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Nvidia", name, {"files": files}, opts)
        self.register_outputs({})
