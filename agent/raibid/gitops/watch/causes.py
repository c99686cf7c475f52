"""Why a workload is not healthy, in its pods' words: an image that is not there, a crash, no room.

Owns: the way from a workload to its pods.
Leaves to others: whether it is healthy (`health.py`).
"""

from __future__ import annotations

from typing import Final

from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Ref, owners_of, ref_of
from raibid.gitops.watch.health import health

_WORKLOADS: Final = frozenset(
    {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("apps", "ReplicaSet"), ("batch", "Job")}
)
_SHOWN: Final = 3


def causes(cluster: Cluster, ref: Ref) -> list[str]:
    """What is wrong with the pods of a workload; none for any other object.

    Raises:
        KubeError: as the cluster says.
    """
    if (ref.group, ref.kind) not in _WORKLOADS:
        return []
    above = {ref}
    if ref.kind == "Deployment":
        sets = cluster.objects("apps", "ReplicaSet", ref.namespace)
        above |= {ref_of(item) for item in sets if ref in owners_of(item)}
    pods = [pod for pod in cluster.objects("", "Pod", ref.namespace) if above & {*owners_of(pod)}]
    found = [(ref_of(pod), health(pod)) for pod in pods]
    return [f"{pod}: {state.message}" for pod, state in found if not state.good][:_SHOWN]
