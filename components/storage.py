"""The StorageClass that keeps data when its claim goes.

Owns: `local-path-retain`.
Leaves to others: how large volumes are (each system's file), the provisioner itself (k3s, or the cluster's owner).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint
from components.manifest_tree import Manifest, Tree, emit
from components.settings import Settings
from components.workload import RETAIN_CLASS, metadata

NAME: Final = "storage"
FLOWS: Final = ()
DIRECTORY: Final = "infrastructure/namespaces/storage"


def footprint(settings: Settings) -> Footprint:
    """Nothing runs."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(NAME, {DIRECTORY: [_storage_class()]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {"storage_provisioner": settings.cluster.storage_provisioner}


def _storage_class() -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        # A second class beside k3s' own `local-path`, whose ConfigMap k3s resets at each start.
        "metadata": metadata(RETAIN_CLASS, None, NAME, **{"kustomize.toolkit.fluxcd.io/prune": "disabled"}),
        "provisioner": "${storage_provisioner}",
        "reclaimPolicy": "Retain",
        # local-path puts a volume on the node that its first pod runs on.
        "volumeBindingMode": "WaitForFirstConsumer",
    }


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """What the component needs."""

    settings: Settings


class Storage(ComponentResource):
    """The StorageClass in the stack's graph; Flux owns it."""

    def __init__(self, name: str, args: StorageArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Storage", name, {"files": files}, opts)
        self.register_outputs({})
