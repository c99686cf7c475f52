"""Alerts: what a person must know before a user notices, each with what to do.

Owns: expressions, how long they must hold, severities, the words; which alerts there are.
Leaves to others: those on rollbacks (`monitoring.rollback_rules`), metrics' names (`monitoring.metric_names`), who is
told (Alertmanager's routes, `monitoring`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from components.manifest_tree import SUBSTITUTE_OFF, Manifest
from components.monitoring.alert import Alert
from components.monitoring.rollback_rules import ROLLBACK
from components.workload import metadata

FLUX: Final = (
    Alert(
        name="FluxNotReady",
        # Not ready="False": a failing object flips between False and Unknown at each retry, so `for` would never pass.
        expr='max by (exported_namespace, kind, name) (flux_resource_info{ready!="True", suspended!="True"}) > 0',
        lasts="10m",
        severity="critical",
        summary="{{ $labels.kind }} {{ $labels.exported_namespace }}/{{ $labels.name }} is not ready",
        todo="`flux get all -A --status-selector ready=false` says why; the last good revision keeps running.",
    ),
    Alert(
        name="FluxSuspended",
        expr='max by (exported_namespace, kind, name) (flux_resource_info{suspended="True"}) > 0',
        lasts="24h",
        severity="warning",
        summary="{{ $labels.kind }} {{ $labels.name }} has been suspended for a day",
        todo="`flux resume` it, or remove it from Git.",
    ),
    Alert(
        name="FluxSlow",
        expr="histogram_quantile(0.99, sum by (kind, le) (rate(gotk_reconcile_duration_seconds_bucket[10m]))) > 240",
        lasts="15m",
        severity="warning",
        summary="Reconciling a {{ $labels.kind }} takes more than 4 minutes",
        todo="A commit should be live within 5 minutes (FR-001): look at the stage's health checks.",
    ),
    Alert(
        name="FluxMetricsMissing",
        expr="absent(flux_resource_info)",
        lasts="15m",
        severity="critical",
        summary="The Flux Operator says nothing",
        todo="Without it no other Flux alert can fire: `kubectl -n flux-system get pods`.",
    ),
)

QUEUE: Final = (
    Alert(
        name="RedisDown",
        expr="min(raibid_redis_up) == 0 or absent(raibid_redis_up)",
        lasts="1m",
        severity="critical",
        summary="The API cannot reach Redis, or nobody can reach the API",
        todo="Webhooks get 503 and forges retry; running builds go on. `kubectl -n infrastructure logs redis-0`.",
    ),
    Alert(
        name="QueueStuck",
        expr='sum(raibid_jobs{status="queued"}) > 0 and sum(cicd_worker_count) == 0 and max(raibid_paused) == 0',
        lasts="3m",
        severity="critical",
        summary="Jobs are queued and no agent takes one",
        todo=(
            "`raibid why JOB`; `kubectl -n ci describe scaledjob ci-agent`, then `kubectl -n keda logs"
            " deploy/keda-operator`; with scaler direct, `kubectl -n ci logs deploy/raibid-controller`."
        ),
    ),
    Alert(
        name="ServiceDown",
        expr='kube_deployment_status_replicas_available{namespace="ci"} == 0',
        lasts="5m",
        severity="critical",
        summary="{{ $labels.deployment }} is down",
        todo="Its log says why. Without the controller nobody tells how agents ended; with scaler direct none starts.",
    ),
    Alert(
        name="ForgeNotTold",
        expr="max(raibid_statuses_untold) > 0",
        lasts="30m",
        severity="warning",
        summary="Commits do not show how their builds went",
        todo="Nothing is lost; `kubectl -n ci logs deploy/raibid-api` says why (docs/api.md, Commit statuses).",
    ),
    Alert(
        name="ForgeNotReconciled",
        expr="max by (forge) (raibid_reconcile_age_seconds) > 3600",
        lasts="10m",
        severity="warning",
        summary="A push to {{ $labels.forge }} whose webhook was lost would not be noticed for an hour",
        todo="`raibid reconcile --last` says what the forge answers (docs/api.md, The reconciler).",
    ),
    Alert(
        name="JobsWaitLong",
        expr="histogram_quantile(0.95, sum by (le) (rate(raibid_job_wait_seconds_bucket[15m]))) > 300",
        lasts="15m",
        severity="warning",
        summary="One job in twenty waits more than 5 minutes for its agent",
        todo="`raibid queue` shows which limit is reached; more agents are a profile (docs/scaling.md).",
    ),
    Alert(
        name="DeadLetters",
        expr="delta(raibid_dead_letters[1h]) > 0",
        lasts="0m",
        severity="warning",
        summary="A job's infrastructure failed as often as it may",
        todo="`raibid dead` lists them with the reason of each attempt.",
    ),
    Alert(
        name="AdmitErrors",
        expr="increase(raibid_admit_errors_total[10m]) > 0",
        lasts="0m",
        severity="critical",
        summary="The ledger could not admit a job",
        todo="`raibid queue` and the API's log; nothing is lost, but nothing new starts.",
    ),
    Alert(
        name="QueuePaused",
        expr="max(raibid_paused) == 1",
        lasts="12h",
        severity="warning",
        summary="The queue has been paused for half a day",
        todo="`raibid resume`, or tell the others why not.",
    ),
    Alert(
        name="ScalerErrors",
        # A counter has no series before its first error, and a sum with nothing is nothing.
        expr=(
            "(sum(rate(keda_scaler_detail_errors_total[5m])) or vector(0))"
            " + (sum(rate(keda_scaled_job_errors_total[5m])) or vector(0)) > 0"
        ),
        lasts="5m",
        severity="critical",
        summary="KEDA cannot read the queue",
        todo="No new agents start; running ones go on. `kubectl -n keda logs deploy/keda-operator`.",
    ),
    Alert(
        name="AgentsPending",
        expr='sum(kube_pod_status_phase{namespace="ci", phase="Pending"}) > 0',
        lasts="10m",
        severity="warning",
        summary="Agents wait for room on the machine",
        todo="The budget says they fit: compare `kubectl describe node` with `python -m components budget`.",
    ),
    Alert(
        name="AgentKilledForMemory",
        # Not the reason of the *last* termination: that one appears with a restart, and agents are never restarted.
        expr='sum by (pod) (kube_pod_container_status_terminated_reason{namespace="ci", reason="OOMKilled"}) > 0',
        lasts="0m",
        severity="warning",
        summary="{{ $labels.pod }} was killed: out of memory",
        todo="A profile with fewer, larger agents, or fewer parallel jobs of the build.",
    ),
)

MIRRORS: Final = (
    Alert(
        name="MirrorBehind",
        expr="time() - raibid_mirror_behind_since_seconds > 7200",
        lasts="10m",
        severity="warning",
        summary="{{ $labels.mirror }} has not been equal to its source for two hours",
        todo="`raibid mirror status` says why (docs/mirrors.md, Who looks at the source).",
    ),
    Alert(
        name="MirrorNeverSeen",
        expr='sum(raibid_mirrors{state="new"}) > 0',
        lasts="2h",
        severity="warning",
        summary="A mirror has not been looked at since it was made",
        todo="`raibid mirror status` names it; `kubectl -n ci logs deploy/raibid-api` says what keeps the API from it.",
    ),
    Alert(
        name="MirrorsStale",
        # The newest of all: of one mirror it may be a month old, and well (`interval`).
        expr="time() - max(raibid_mirror_verified_seconds) > 86400",
        lasts="1h",
        severity="warning",
        summary="No mirror was compared with its source for a day, and found equal",
        todo="Looks hang, or fail: `raibid mirror status`, `kubectl -n ci logs deploy/raibid-api`.",
    ),
    Alert(
        name="MirrorsNotSurveyed",
        # 0 until the first survey: an API that starts with a broken file says so, too.
        expr="time() - max(raibid_mirror_survey_seconds) > 3600",
        lasts="10m",
        severity="warning",
        summary="The API has not known for an hour which mirrors there are",
        todo="`raibid mirror lint`; a broken file, a refused login at Gitea: its log says which (docs/mirrors.md).",
    ),
)

MACHINE: Final = (
    Alert(
        name="DiskFillsUp",
        expr=(
            'min by (mountpoint) (node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"}'
            ' / node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs"}) < 0.15'
        ),
        lasts="10m",
        severity="critical",
        summary="{{ $labels.mountpoint }} has less than 15 % left",
        todo="At 10 % the kubelet evicts pods. Volumes have no limit of their own on local-path: `du -xh` finds it.",
    ),
    Alert(
        name="VolumeFillsUp",
        expr=("kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.15"),
        lasts="10m",
        severity="warning",
        summary="{{ $labels.persistentvolumeclaim }} has less than 15 % left",
        todo="Raise the system's disk in stack config; local-path cannot grow a volume in place (docs/runbook.md).",
    ),
    Alert(
        name="MemoryShort",
        expr="node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0.05",
        lasts="5m",
        severity="critical",
        summary="Less than 5 % of memory is left",
        todo="GPU allocations come out of the same memory and no scheduler counts them: look at models first.",
    ),
    Alert(
        name="StoreNotReady",
        expr=(
            'kube_statefulset_status_replicas_ready{namespace="infrastructure"}'
            ' < kube_statefulset_replicas{namespace="infrastructure"}'
        ),
        lasts="5m",
        severity="critical",
        summary="{{ $labels.statefulset }} is not ready",
        todo="`kubectl -n infrastructure describe pod -l app.kubernetes.io/part-of=raibid`.",
    ),
    Alert(
        name="CertificateExpires",
        expr="certmanager_certificate_expiration_timestamp_seconds - time() < 14 * 86400",
        lasts="1h",
        severity="warning",
        summary="{{ $labels.exported_namespace }}/{{ $labels.name }} expires within two weeks",
        todo="cert-manager renews 30 days before: `cmctl status certificate` says what stopped it.",
    ),
    Alert(
        name="CertificateNotReady",
        expr='max by (exported_namespace, name) (certmanager_certificate_ready_status{condition!="True"}) > 0',
        lasts="15m",
        severity="warning",
        summary="{{ $labels.exported_namespace }}/{{ $labels.name }} was not issued",
        todo="`cmctl status certificate` says what it waits for.",
    ),
    Alert(
        name="TargetDown",
        expr='up{namespace=~"ci|infrastructure|flux-system|keda|cert-manager"} == 0',
        lasts="10m",
        severity="warning",
        summary="{{ $labels.namespace }}/{{ $labels.pod }} is not scraped",
        todo="The pod is down, or a NetworkPolicy does not let `monitoring` in.",
    ),
)

GROUPS: Final[Mapping[str, Sequence[Alert]]] = {
    "flux": FLUX,
    "queue": QUEUE,
    "mirrors": MIRRORS,
    "rollback": ROLLBACK,
    "machine": MACHINE,
}


def prometheus_rules(namespace: str, system: str) -> list[Manifest]:
    """A PrometheusRule per group."""
    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": metadata(f"raibid-{group}", namespace, system, **SUBSTITUTE_OFF),
            "spec": {"groups": [{"name": f"raibid.{group}", "rules": [alert.as_rule() for alert in alerts]}]},
        }
        for group, alerts in GROUPS.items()
    ]
