"""KEDA: looks at the work stream every two seconds and starts agents.

Owns: KEDA's release, its namespace's traffic, what it costs.
Leaves to others: what is scaled and by what (`scaled_job`), KEDA's Redis user (`redis`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulumi import ComponentResource, ResourceOptions

from components import redis
from components.budget import Budget, Footprint, Workload
from components.flux_objects import helm_release
from components.manifest_tree import Manifest, Tree, emit
from components.network import API_SERVER, EVERY_POD, from_peers, network_policy, pods, to_peers
from components.settings import Settings
from components.units import MI
from components.versions import CHARTS
from components.workload import resources

NAME: Final = "keda"
FLOWS: Final = (("redis", "XLEN, every 2 s"), ("ci-agent", "starts"))
"""Whom it talks to, and about what: `components graph` draws it."""
NAMESPACE: Final = "keda"
DIRECTORY: Final = "infrastructure/controllers/keda"
_WEBHOOK: Final = 9443
_METRICS_API: Final = 6443
_PROMETHEUS: Final = 8080


def footprint(settings: Settings) -> Footprint:
    """The operator, the admission webhook, and the metrics API server, which ScaledJobs never ask but the chart has."""
    return Footprint(
        NAME,
        (
            Workload(name="operator", namespace=NAMESPACE, cpu=150, memory=256 * MI),
            Workload(name="metricServer", namespace=NAMESPACE, cpu=100, memory=128 * MI),
            Workload(name="webhooks", namespace=NAMESPACE, cpu=50, memory=128 * MI),
        ),
    )


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    release = helm_release(CHARTS["keda"], namespace=NAMESPACE, values=_values(footprint(settings)), system=NAME)
    return Tree(NAME, {DIRECTORY: [*release, _network_policy()]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """The same everywhere."""
    return {}


def _values(footprint: Footprint) -> Mapping[str, Any]:
    return {
        # Agents live here and nowhere else; an operator that watched all namespaces could start pods in all of them.
        "watchNamespace": "ci",
        # Its CRDs are templates of the chart, so Helm would remove them with the release, and every ScaledJob with
        # them; Flux's prune of those would then ask for kinds that are gone, and `ci-agents` stay red for good.
        "crds": {"additionalAnnotations": {"helm.sh/resource-policy": "keep"}},
        "resources": {workload.name: resources(workload) for workload in footprint.workloads},
        "prometheus": {
            part: {"enabled": True, "port": _PROMETHEUS} for part in ("operator", "metricServer", "webhooks")
        },
    }


def _network_policy() -> Manifest:
    return network_policy(
        "keda",
        NAMESPACE,
        NAME,
        selects=EVERY_POD,
        # The API server calls the webhook and the metrics API from the node's address, which no selector names.
        ingress=(
            from_peers(ports=(_WEBHOOK, _METRICS_API)),
            from_peers(pods("monitoring"), ports=(_PROMETHEUS,)),
            # The metrics API server asks the operator.
            from_peers(pods(NAMESPACE), ports=(9666,)),
        ),
        egress=(
            API_SERVER,
            to_peers(pods(redis.NAMESPACE, redis.NAME), ports=(redis.PORT,)),
            to_peers(pods(NAMESPACE), ports=(9666,)),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class KedaArgs:
    """What the component needs."""

    settings: Settings


class Keda(ComponentResource):
    """KEDA in the stack's graph: Flux installs it, the stack shows which of its files change."""

    def __init__(self, name: str, args: KedaArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Keda", name, {"files": files}, opts)
        self.register_outputs({})
