"""Why a workload is not healthy, in its pods' words: an image that is not there, a crash, no room.

Owns: which workloads a failed health check waited for, the way from a workload to its pods.
Leaves to others: whether it is healthy (`health.py`).
"""

from __future__ import annotations

import re
from typing import Final

from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Ref, owners_of, ref_of
from raibid.gitops.watch.health import health

_GROUPS: Final = {
    "Deployment": "apps",
    "StatefulSet": "apps",
    "DaemonSet": "apps",
    "ReplicaSet": "apps",
    "Job": "batch",
}
_WAITED_FOR: Final = re.compile(rf"\b({'|'.join(_GROUPS)})/([a-z0-9.-]+)/([a-z0-9.-]+) status: ")
"""In kustomize-controller's words: `timeout waiting for: [Deployment/demo/web status: 'InProgress']`."""
_SHOWN: Final = 3


def waited_for(message: str) -> list[Ref]:
    """The workloads that a failed health check names."""
    return [Ref(_GROUPS[kind], kind, namespace, name) for kind, namespace, name in _WAITED_FOR.findall(message)]


def causes(cluster: Cluster, ref: Ref) -> list[str]:
    """What is wrong with the pods of a workload; none for any other object.

    Raises:
        KubeError: as the cluster says.
    """
    if _GROUPS.get(ref.kind) != ref.group:
        return []
    above = {ref}
    if ref.kind == "Deployment":
        sets = cluster.objects("apps", "ReplicaSet", ref.namespace)
        above |= {ref_of(item) for item in sets if ref in owners_of(item)}
    pods = [pod for pod in cluster.objects("", "Pod", ref.namespace) if above & {*owners_of(pod)}]
    found = [(ref_of(pod), health(pod)) for pod in pods]
    return [f"{pod}: {state.message}" for pod, state in found if not state.good][:_SHOWN]
