"""A pod that every border of the pool lets in, for tests to make one thing of it wrong.

Owns: what Pod Security, the policies and the quotas ask of a pod.
Leaves to others: the pods that the stack emits (`emitted`).
"""

from __future__ import annotations

from components.versions import IMAGES
from tests.cluster.tree.api import Manifest


def pod(name: str, namespace: str, *, cpu: int = 0, memory: int = 0) -> Manifest:
    """A pod that Pod Security and the policies let in; without amounts, one that says nothing of resources."""
    resources = {"requests": {"cpu": f"{cpu}m", "memory": str(memory)}, "limits": {"memory": str(memory)}}
    container = {
        "name": "app",
        "image": IMAGES["redis"].reference,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **({"resources": resources} if memory else {}),
    }
    safe = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"securityContext": safe, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
