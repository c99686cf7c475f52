"""NetworkPolicies: who may talk to whom, in one spelling.

Owns: peers, rules, policies as values.
Leaves to others: each system's own rules (its file), the default that denies everything else (`namespaces`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.manifest_tree import Manifest
from components.workload import metadata

EVERY_POD: Final[Mapping[str, str]] = {}
_NAME: Final = "app.kubernetes.io/name"
_NAMESPACE: Final = "kubernetes.io/metadata.name"
_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_LINK_LOCAL: Final = "169.254.0.0/16"


def pods(namespace: str, system: str = "") -> Manifest:
    """A peer: the system's pods in that namespace, or all of its pods."""
    return {
        "namespaceSelector": {"matchLabels": {_NAMESPACE: namespace}},
        **({"podSelector": {"matchLabels": {_NAME: system}}} if system else {}),
    }


INTERNET: Final[Manifest] = {"ipBlock": {"cidr": "0.0.0.0/0", "except": [*_PRIVATE, _LINK_LOCAL]}}
"""A peer: public addresses only, so that a build reaches crates and not the router's page or a cloud's metadata."""


def from_peers(*peers: Manifest, ports: Sequence[int]) -> Manifest:
    """An ingress rule; without peers everybody may."""
    return {**({"from": list(peers)} if peers else {}), "ports": _ports(ports)}


def to_peers(*peers: Manifest, ports: Sequence[int]) -> Manifest:
    """An egress rule; without peers to anywhere."""
    return {**({"to": list(peers)} if peers else {}), "ports": _ports(ports)}


DNS: Final[Manifest] = {
    "to": [{"namespaceSelector": {"matchLabels": {_NAMESPACE: "kube-system"}}}],
    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
}
API_SERVER: Final[Manifest] = {
    "to": [{"ipBlock": {"cidr": cidr}} for cidr in _PRIVATE],
    "ports": [{"port": port, "protocol": "TCP"} for port in (443, 6443)],
}
"""By private address and port: the API server is no pod, and a policy sees the node's address and port behind its
Service. Which node that is differs between environments, but with k3s it is no public one; and who holds an account's
token has no business on the Internet."""


def network_policy(
    name: str,
    namespace: str,
    system: str,
    *,
    selects: Mapping[str, str] | None = None,
    ingress: Sequence[Manifest] | None = None,
    egress: Sequence[Manifest] | None = None,
) -> Manifest:
    """A policy over the system's pods (or those with the labels `selects`). A side left out is not judged here; an
    empty one allows nothing.
    """
    selector = {_NAME: system} if selects is None else dict(selects)
    sides: dict[str, Sequence[Manifest]] = {}
    if ingress is not None:
        sides["Ingress"] = ingress
    if egress is not None:
        sides["Egress"] = egress
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": selector} if selector else {},
        "policyTypes": list(sides),
        **{side.lower(): list(rules) for side, rules in sides.items() if rules},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, namespace, system),
        "spec": spec,
    }


def _ports(numbers: Sequence[int]) -> list[Manifest]:
    return [{"port": number, "protocol": "TCP"} for number in numbers]
