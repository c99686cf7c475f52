"""Monitoring: Prometheus, Alertmanager and Grafana for one machine, and what they watch.

Owns: the release of kube-prometheus-stack and what it costs, which pods are scraped, where alerts and dashboards lie.
Leaves to others: the alerts themselves (`monitoring.alert_rules`), failed releases (`monitoring.release_alerts`), pages
(`monitoring.dashboards`), names of metrics (`monitoring.metric_names`), `kubectl top` (metrics-server comes with k3s).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pulumi import ComponentResource, ResourceOptions

from components import api, rollback
from components.budget import Budget, Footprint, Workload
from components.flux_objects import NOTIFIER, helm_release
from components.manifest_tree import SUBSTITUTE_OFF, Derive, Manifest, SecretManifest, Tree, emit
from components.monitoring.alert_rules import prometheus_rules
from components.monitoring.dashboards import DASHBOARDS
from components.monitoring.release_alerts import PORT as ALERTMANAGER
from components.monitoring.release_alerts import release_alerts
from components.network import API_SERVER, EVERY_POD, from_peers, network_policy, pods, to_peers
from components.settings import Settings
from components.units import GI, MI, size_text
from components.versions import CHARTS
from components.workload import RETAIN_CLASS, ROTATION, config_map, generations, metadata, resources

NAME: Final = "monitoring"
FLOWS: Final = tuple(
    (system, "scrapes") for system in ("raibid-api", "raibid-rollback", "flux", "keda", "cert-manager")
)
"""Whom it talks to, and about what: `components graph` draws it."""
NAMESPACE: Final = "monitoring"
CONTROLLERS: Final = "infrastructure/controllers/monitoring"
CONFIGS: Final = "infrastructure/configs/monitoring"
ADMIN_LABEL: Final = "grafana/admin"
_ADMIN_SECRET: Final = "grafana-admin"  # noqa: S105  (a name)
_RETENTION: Final = "15d"
_RETAINED_SHARE: Final = 0.85
"""Of the volume: local-path enforces no size, so Prometheus itself must stay below it, write-ahead log included."""

_SIDECAR: Final = Workload(name="sidecar", namespace=NAMESPACE, cpu=10, memory=64 * MI)
"""Config reloaders, Grafana's watchers of ConfigMaps; counted in their pod's workload."""


def footprint(settings: Settings) -> Footprint:
    """0.6 cores: about 40 targets and 60,000 series on one node."""
    return Footprint(
        NAME,
        (
            Workload(name="prometheus", namespace=NAMESPACE, cpu=300, memory=1600 * MI, disk=20 * GI),
            Workload(name="alertmanager", namespace=NAMESPACE, cpu=30, memory=128 * MI),
            Workload(name="operator", namespace=NAMESPACE, cpu=50, memory=128 * MI),
            Workload(name="grafana", namespace=NAMESPACE, cpu=140, memory=512 * MI),
            Workload(name="kube-state-metrics", namespace=NAMESPACE, cpu=40, memory=128 * MI),
            Workload(name="node-exporter", namespace=NAMESPACE, cpu=40, memory=64 * MI, every_node=True),
        ),
    )


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository: the release first, then what needs its CRDs."""
    values = _values(footprint(settings))
    # Stateful: Prometheus writes its volume's format, and an older one might not read it.
    chart = CHARTS["kube-prometheus-stack"]
    release = helm_release(chart, namespace=NAMESPACE, values=values, system=NAME, stateful=True)
    return Tree(
        NAME,
        {
            CONTROLLERS: [*release, SecretManifest(NAMESPACE, _ADMIN_SECRET, _admin), _network_policy()],
            CONFIGS: [
                *(_pod_monitor(*target) for target in _TARGETS),
                *prometheus_rules(NAMESPACE, NAME),
                *release_alerts(NAMESPACE, NAME),
                *_dashboards(),
            ],
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    disk = footprint(settings).of("prometheus").disk
    return {
        "monitoring_disk": size_text(disk),
        "monitoring_retained": f"{int(disk * _RETAINED_SHARE) // MI}MB",
        "monitoring_cluster": settings.environment,
        "monitoring_rotation": generations(settings, ADMIN_LABEL),
    }


def _admin(derive: Derive) -> dict[str, str]:
    return {"admin-user": "admin", "admin-password": derive(ADMIN_LABEL)}


def _without(workload: Workload, sidecars: int) -> Workload:
    """What is left for the main container of a pod with sidecars."""
    return replace(
        workload, cpu=workload.cpu - sidecars * _SIDECAR.cpu, memory=workload.memory - sidecars * _SIDECAR.memory
    )


def _values(footprint: Footprint) -> Mapping[str, Any]:
    everything = {f"{kind}SelectorNilUsesHelmValues": False for kind in ("podMonitor", "serviceMonitor", "rule")}
    return {
        # Not served by k3s on addresses of their own: its targets would be down for ever.
        "kubeControllerManager": {"enabled": False},
        "kubeScheduler": {"enabled": False},
        "kubeProxy": {"enabled": False},
        "kubeEtcd": {"enabled": False},
        "prometheusOperator": {
            "resources": resources(footprint.of("operator")),
            "prometheusConfigReloader": {"resources": resources(_SIDECAR)},
            # A webhook on one node can block what it judges; files are validated before they are committed.
            "admissionWebhooks": {"enabled": False},
            "tls": {"enabled": False},
        },
        "prometheus": {
            "prometheusSpec": {
                **everything,
                "externalLabels": {"cluster": "${monitoring_cluster}"},
                "retention": _RETENTION,
                "retentionSize": "${monitoring_retained}",
                "resources": resources(_without(footprint.of("prometheus"), 1)),
                "storageSpec": {"volumeClaimTemplate": {"spec": _claim()}},
            }
        },
        "alertmanager": {"alertmanagerSpec": {"resources": resources(_without(footprint.of("alertmanager"), 1))}},
        "grafana": {
            "admin": {"existingSecret": _ADMIN_SECRET, "userKey": "admin-user", "passwordKey": "admin-password"},
            # It reads the password at its start, from its environment.
            "podAnnotations": {ROTATION: "${monitoring_rotation}"},
            "resources": resources(_without(footprint.of("grafana"), 2)),
            "sidecar": {"resources": resources(_SIDECAR), "dashboards": {"label": "grafana_dashboard"}},
        },
        "kube-state-metrics": {"resources": resources(footprint.of("kube-state-metrics"))},
        "prometheus-node-exporter": {"resources": resources(footprint.of("node-exporter"))},
    }


def _claim() -> Mapping[str, Any]:
    return {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": RETAIN_CLASS,
        "resources": {"requests": {"storage": "${monitoring_disk}"}},
    }


_CONTROLLERS: Final = ("helm-controller", "kustomize-controller", "notification-controller", "source-controller")
_BY_APP: Final = {"matchExpressions": [{"key": "app", "operator": "In", "values": list(_CONTROLLERS)}]}
_TARGETS: Final[Sequence[tuple[str, str, Manifest, Manifest]]] = (
    ("flux", "flux-system", _BY_APP, {"port": "http-prom"}),
    (
        "flux-operator",
        "flux-system",
        {"matchLabels": {"app.kubernetes.io/name": "flux-operator"}},
        {"port": "http-metrics"},
    ),
    ("keda", "keda", {"matchLabels": {"app": "keda-operator"}}, {"portNumber": 8080}),
    ("cert-manager", "cert-manager", {"matchLabels": {"app": "cert-manager"}}, {"portNumber": 9402}),
    ("raibid-api", api.NAMESPACE, {"matchLabels": {"app.kubernetes.io/name": api.NAME}}, {"port": "http"}),
    (rollback.NAME, rollback.NAMESPACE, {"matchLabels": {"app.kubernetes.io/name": rollback.NAME}}, {"port": "http"}),
)
"""Name, namespace, which pods, which port has /metrics."""


def _pod_monitor(name: str, namespace: str, selector: Manifest, endpoint: Manifest) -> Manifest:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(name, NAMESPACE, NAME),
        "spec": {
            "namespaceSelector": {"matchNames": [namespace]},
            "selector": selector,
            "podMetricsEndpoints": [{**endpoint, "interval": "30s"}],
        },
    }


def _dashboards() -> list[Manifest]:
    made: list[Manifest] = []
    for page in DASHBOARDS:
        item = config_map(page.uid, NAMESPACE, NAME, {f"{page.uid}.json": page.as_json()}, **SUBSTITUTE_OFF)
        labels = {**item["metadata"]["labels"], "grafana_dashboard": "1"}
        made.append({**item, "metadata": {**item["metadata"], "labels": labels}})
    return made


def _network_policy() -> Manifest:
    return network_policy(
        "monitoring",
        NAMESPACE,
        NAME,
        selects=EVERY_POD,
        ingress=(
            from_peers(pods(NAMESPACE), ports=(3000, 8080, 9090, ALERTMANAGER, 10250)),
            from_peers(NOTIFIER, ports=(ALERTMANAGER,)),
        ),
        egress=(
            API_SERVER,
            # Scraping: every pod and every kubelet and node-exporter, which are on the node's own address.
            to_peers(ports=(3000, 8080, api.PORT, rollback.PORT, 9090, ALERTMANAGER, 9100, 9153, 9402, 10250)),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What the component needs."""

    settings: Settings


class Monitoring(ComponentResource):
    """Monitoring in the stack's graph: Flux owns its objects, the stack shows which of its files change."""

    def __init__(self, name: str, args: MonitoringArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Monitoring", name, {"files": files}, opts)
        self.register_outputs({"dashboards": [page.uid for page in DASHBOARDS]})
