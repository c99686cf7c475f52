"""Flux's own kinds, each spelled in one place: chart sources, HelmReleases, Kustomizations.

Owns: how a chart is fetched, installed, upgraded and rolled back; the intervals every Flux object shares; the names of
the live Secrets that Flux reads.
Leaves to others: which charts and values (each system's file), which Kustomizations in which order (`flux_stages`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.manifest_tree import Manifest
from components.network import pods
from components.versions import Chart
from components.workload import metadata

NAMESPACE: Final = "flux-system"
SOURCE: Final = "flux-system"
"""The GitRepository of the fleet: the Flux Operator names it, and the root Kustomization, after the namespace."""
SOPS_AGE: Final = "sops-age"
"""Secret with the cluster's age key; Pulumi keeps it (`cluster`)."""
CLUSTER_VARS: Final = "cluster-vars"
"""ConfigMap with the values of this environment."""
OPERATOR_VARS: Final = "operator-vars"
"""ConfigMap with the values that operators set in Git instead: read after the one above."""
INTERVAL: Final = "1h"
RETRY: Final = "2m"
HELM_TIMEOUT: Final = "5m"
"""Below the timeout of every stage with HelmReleases: the release says what failed before its stage gives up."""
WATCHED: Final[Mapping[str, str]] = {"reconcile.fluxcd.io/watch": "Enabled"}
"""Flux reconciles at once when such a ConfigMap or Secret changes."""
RELEASE_NAMESPACES: Final = ("cert-manager", "keda", "kube-system", "monitoring")
"""Where HelmReleases are. Every one by name, because an Alert knows no namespace wildcard; one that a stack does not
have costs nothing."""
NOTIFIER: Final[Manifest] = {**pods(NAMESPACE), "podSelector": {"matchLabels": {"app": "notification-controller"}}}
"""A peer: the pods that send alerts. Flux labels its controllers by `app`; its own NetworkPolicies select by it too."""
_CHART_LAYER: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


def helm_release(
    chart: Chart,
    *,
    namespace: str,
    values: Mapping[str, Any],
    system: str,
    stateful: bool = False,
    depends_on: Sequence[str] = (),
) -> list[Manifest]:
    """Source and HelmRelease of a chart, side by side: cross-namespace references may be switched off.

    `stateful`: a failed upgrade is retried, never rolled back; a rollback would put the old program on new data.
    """
    oci = chart.repository.startswith("oci://")
    source = _oci_repository(chart, namespace, system) if oci else _helm_repository(chart, namespace, system)
    reference = {"kind": source["kind"], "name": chart.name}
    spec = {"chart": chart.name, "version": chart.version, "interval": INTERVAL, "sourceRef": reference}
    which = {"chartRef": reference} if oci else {"chart": {"spec": spec}}
    release = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": metadata(chart.name, namespace, system),
        "spec": {
            "interval": INTERVAL,
            "timeout": HELM_TIMEOUT,
            "releaseName": chart.name,
            "maxHistory": 5,
            **which,
            **({"dependsOn": [{"name": other} for other in depends_on]} if depends_on else {}),
            # Uninstalling a first install that failed would be worse than trying again.
            "install": {"crds": "CreateReplace", "strategy": {"name": "RetryOnFailure", "retryInterval": RETRY}},
            "upgrade": _upgrade(stateful=stateful),
            "rollback": {"cleanupOnFail": True, "timeout": HELM_TIMEOUT},
            "driftDetection": {"mode": "enabled"},
            "values": dict(values),
        },
    }
    return [source, release]


def kustomization(
    name: str,
    path: str,
    *,
    depends_on: Sequence[str] = (),
    timeout: str = "5m",
    **more: Any,
) -> Manifest:
    """A Flux Kustomization of the fleet: pruned, waited for, decrypted; `more` goes into its spec.

    Without a `retryInterval` a failure waits for the next `interval`; without a `timeout` one attempt takes as long.
    """
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": metadata(name, NAMESPACE, "flux"),
        "spec": {
            **({"dependsOn": [{"name": other} for other in depends_on]} if depends_on else {}),
            "interval": INTERVAL,
            "retryInterval": RETRY,
            "timeout": timeout,
            "sourceRef": {"kind": "GitRepository", "name": SOURCE},
            "path": f"./{path}",
            "prune": True,
            "wait": True,
            # By name in every stage, not by the controller's flag `--sops-age-secret`: that would decrypt for whoever
            # makes a Kustomization. The root one, which only the flag would reach, holds stages and values, no Secret.
            "decryption": {"provider": "sops", "secretRef": {"name": SOPS_AGE}},
            **more,
        },
    }


def _upgrade(*, stateful: bool) -> dict[str, Any]:
    if stateful:
        return {"crds": "CreateReplace", "strategy": {"name": "RetryOnFailure", "retryInterval": RETRY}}
    return {
        "crds": "CreateReplace",
        "cleanupOnFail": True,
        # RetryOnFailure never rolls back (fluxcd/helm-controller#1278).
        "strategy": {"name": "RemediateOnFailure"},
        "remediation": {"retries": 2, "remediateLastFailure": True, "strategy": "rollback"},
    }


def _oci_repository(chart: Chart, namespace: str, system: str) -> Manifest:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "OCIRepository",
        "metadata": metadata(chart.name, namespace, system),
        "spec": {
            "interval": INTERVAL,
            "url": chart.repository,
            "ref": {"tag": chart.version},
            # The chart as it was published, for Helm to unpack.
            "layerSelector": {"mediaType": _CHART_LAYER, "operation": "copy"},
        },
    }


def _helm_repository(chart: Chart, namespace: str, system: str) -> Manifest:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmRepository",
        "metadata": metadata(chart.name, namespace, system),
        "spec": {"interval": INTERVAL, "url": chart.repository},
    }
