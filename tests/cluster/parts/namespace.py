"""A namespace of the pool as Pulumi, or Flux, would have it there before anything else.

Owns: the object, Pod Security's labels on it.
Leaves to others: its borders (quota, defaults, NetworkPolicies), which the emitted tree brings.
"""

from __future__ import annotations

from components.manifest_tree import Manifest
from components.namespaces import pod_security_labels


def namespace(name: str) -> Manifest:
    """One of the pool's namespaces."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": pod_security_labels(name)}}
