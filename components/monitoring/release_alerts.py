"""HelmReleases that failed, told to Alertmanager at once and in Flux's own words.

Not to Gitea, where Kustomizations are told of (`notifications`): what a HelmRelease reports is a chart's version, and a
commit status needs a commit.

Owns: the Provider, the Alert.
Leaves to others: which namespaces have HelmReleases (`flux_objects`), where Alertmanager runs and who may call it
(`monitoring`), what is not ready for long (`monitoring.alert_rules`).
"""

from __future__ import annotations

from typing import Final

from components.flux_objects import NAMESPACE, RELEASE_NAMESPACES
from components.manifest_tree import Manifest
from components.versions import CHARTS
from components.workload import metadata

API: Final = "notification.toolkit.fluxcd.io/v1beta3"
PORT: Final = 9093
PROVIDER: Final = "alertmanager"


def release_alerts(namespace: str, system: str) -> list[Manifest]:
    """The Provider and the Alert; `namespace` is Alertmanager's."""
    # The chart names its objects after the release where that holds the chart's own name (its _helpers.tpl).
    host = f"{CHARTS['kube-prometheus-stack'].name}-alertmanager.{namespace}.svc.cluster.local"
    return [
        {
            "apiVersion": API,
            "kind": "Provider",
            "metadata": metadata(PROVIDER, NAMESPACE, system),
            "spec": {"type": "alertmanager", "address": f"http://{host}:{PORT}/api/v2/alerts", "timeout": "20s"},
        },
        {
            "apiVersion": API,
            "kind": "Alert",
            "metadata": metadata("helm-releases", NAMESPACE, system),
            "spec": {
                "providerRef": {"name": PROVIDER},
                # Alertmanager takes every event for something that fires.
                "eventSeverity": "error",
                "eventSources": [
                    {"kind": "HelmRelease", "name": "*", "namespace": space} for space in RELEASE_NAMESPACES
                ],
                "eventMetadata": {
                    "cluster": "${monitoring_cluster}",
                    "summary": "Flux could not install, upgrade or test a HelmRelease",
                },
            },
        },
    ]
