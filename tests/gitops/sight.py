"""A cluster as it is at one moment, for what looks once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raibid.gitops.objects import Manifest, Ref
from raibid.kube.errors import KubeNotFoundError

from tests.gitops.memory_cluster import MemoryCluster


@dataclass
class Snapshot:
    """What is not there is None."""

    cluster: MemoryCluster

    def get(self, ref: Ref) -> Manifest | None:
        try:
            return self.cluster.get(ref)
        except KubeNotFoundError:
            return None

    def all(self, group: str, kind: str) -> Sequence[Manifest]:
        try:
            return self.cluster.objects(group, kind)
        except KubeNotFoundError:
            return []
