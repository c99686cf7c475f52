"""Namespaces and their borders: Pod Security, quotas, defaults for containers, and no traffic unless it is allowed.

Owns: the namespaces apps, keda and cert-manager; quotas, limit ranges and the denying NetworkPolicies of all of them.
Leaves to others: the namespaces that precede Flux (`cluster`), what a system's pods may do beyond these borders (its
own file), Flux's own NetworkPolicies (the FluxInstance brings them), how large the quotas are (`budget`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint, Limits, Quota
from components.manifest_tree import Manifest, Tree, emit
from components.network import DNS, EVERY_POD, network_policy
from components.settings import Settings
from components.units import cores_text, size_text
from components.workload import metadata

NAME: Final = "namespaces"
FLOWS: Final = ()
POD_SECURITY: Final[Mapping[str, str]] = {
    "infrastructure": "restricted",
    "ci": "restricted",
    "apps": "restricted",
    "monitoring": "privileged",  # node-exporter reads the host's /proc and /sys
    "flux-system": "restricted",
    "keda": "restricted",
    "cert-manager": "restricted",
}
"""Every namespace of the pool → its Pod Security level."""
FLUX_OWNED: Final = ("apps", "keda", "cert-manager")
"""All others precede Flux: Pulumi keeps them."""
_SELF_POLICED: Final = frozenset({"flux-system"})
_NOTHING: Final = Quota(cpu=0, memory=0, memory_limit=0, storage=0, pods=0)
_NO_LIMITS: Final = Limits(default_cpu=0, default_memory=0, max_memory=0)


def pod_security_labels(namespace: str) -> dict[str, str]:
    """Labels of a namespace: what is refused, and what is warned of, which is one step stricter."""
    return {
        "app.kubernetes.io/part-of": "raibid",
        "pod-security.kubernetes.io/enforce": POD_SECURITY[namespace],
        "pod-security.kubernetes.io/warn": "restricted",
    }


def footprint(settings: Settings) -> Footprint:
    """Nothing runs."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository: a directory per namespace."""
    return Tree(NAME, {f"infrastructure/namespaces/{namespace}": _borders(namespace) for namespace in POD_SECURITY})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Quotas and limits of this environment: a namespace in which no system runs gets those of nothing."""
    return {
        f"{_prefix(namespace)}_{field}": value
        for namespace in POD_SECURITY
        for field, value in _values(
            budget.quotas.get(namespace, _NOTHING), budget.limits.get(namespace, _NO_LIMITS)
        ).items()
    }


def _values(quota: Quota, limits: Limits) -> dict[str, str]:
    return {
        "default_cpu": cores_text(limits.default_cpu),
        "default_memory": size_text(limits.default_memory),
        "max_memory": size_text(limits.max_memory),
        "cpu": cores_text(quota.cpu),
        "memory": size_text(quota.memory),
        "memory_limit": size_text(quota.memory_limit),
        "storage": size_text(quota.storage),
        "pods": str(quota.pods),
        "gpu": str(quota.gpu),
    }


def _prefix(namespace: str) -> str:
    return f"{NAME}_{namespace.replace('-', '_')}"


def _borders(namespace: str) -> list[Manifest]:
    return [
        *([_namespace(namespace)] if namespace in FLUX_OWNED else []),
        _quota(namespace),
        _limit_range(namespace),
        *([] if namespace in _SELF_POLICED else _policies(namespace)),
    ]


def _namespace(namespace: str) -> Manifest:
    # Pruning a namespace takes everything in it along, CRDs' objects and volumes' claims too.
    base = metadata(namespace, None, NAME, **{"kustomize.toolkit.fluxcd.io/prune": "disabled"})
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {**base, "labels": {**base["labels"], **pod_security_labels(namespace)}},
    }


def _quota(namespace: str) -> Manifest:
    prefix = _prefix(namespace)
    hard = {
        "requests.cpu": f"${{{prefix}_cpu}}",
        "requests.memory": f"${{{prefix}_memory}}",
        # No limits.cpu: with it every container would need a CPU limit, and an idle machine would be throttled.
        "limits.memory": f"${{{prefix}_memory_limit}}",
        "requests.storage": f"${{{prefix}_storage}}",
        "pods": f"${{{prefix}_pods}}",
        # Leases, where there is a GPU; elsewhere none of a resource that no node has.
        "requests.nvidia.com/gpu": f"${{{prefix}_gpu}}",
    }
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata("budget", namespace, NAME),
        "spec": {"hard": hard},
    }


def _limit_range(namespace: str) -> Manifest:
    # What a chart's helper pod says nothing of; without these the quota would refuse it.
    prefix = _prefix(namespace)
    limit = {
        "type": "Container",
        "default": {"memory": f"${{{prefix}_default_memory}}"},
        "defaultRequest": {"cpu": f"${{{prefix}_default_cpu}}", "memory": f"${{{prefix}_default_memory}}"},
        "max": {"memory": f"${{{prefix}_max_memory}}"},
    }
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": metadata("defaults", namespace, NAME),
        "spec": {"limits": [limit]},
    }


def _policies(namespace: str) -> list[Manifest]:
    return [
        network_policy("default-deny", namespace, NAME, selects=EVERY_POD, ingress=(), egress=()),
        network_policy("allow-dns", namespace, NAME, selects=EVERY_POD, egress=(DNS,)),
    ]


@dataclass(frozen=True, kw_only=True)
class NamespacesArgs:
    """What the component needs."""

    settings: Settings


class Namespaces(ComponentResource):
    """Namespaces and borders in the stack's graph; Flux owns them."""

    def __init__(self, name: str, args: NamespacesArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Namespaces", name, {"files": files}, opts)
        self.register_outputs({})
