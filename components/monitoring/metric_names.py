"""The metrics that rules and dashboards may use, by who exposes them.

Owns: names, as each exporter documents them; a test holds those of the API against its real exposition.
Leaves to others: what they are asked (`monitoring.alert_rules`, `monitoring.dashboards`), how they are scraped
(`monitoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

API: Final = (
    "raibid_webhooks_total",
    "raibid_statuses_untold",
    "raibid_reconcile_age_seconds",
    "raibid_mirrors",
    "raibid_mirror_behind_since_seconds",
    "raibid_mirror_verified_seconds",
    "raibid_mirror_survey_seconds",
    "raibid_job_wait_seconds_bucket",
    "raibid_redis_up",
    "raibid_jobs",
    "raibid_stream_entries",
    "raibid_window",
    "raibid_paused",
    "raibid_dead_letters",
    "raibid_admit_errors_total",
    "cicd_pipeline_run_duration_seconds_bucket",
    "cicd_pipeline_run_duration_seconds_count",
    "cicd_pipeline_run_errors_total",
    "cicd_system_errors_total",
    "cicd_worker_count",
)

ROLLBACK: Final = (
    "raibid_rollback_stopped",
    "raibid_rollback_looked_timestamp_seconds",
    "raibid_rollback_troubles_total",
    "raibid_rollback_total",
    "raibid_rollback_duration_seconds_bucket",
)

METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "raibid-api (agent/raibid/api/metrics.py)": API,
    "raibid-rollback (agent/raibid/gitops/rollback/metrics.py)": ROLLBACK,
    "flux-operator (docs: instance/monitoring)": ("flux_resource_info", "flux_instance_info"),
    "Flux controllers (docs: monitoring/metrics)": (
        "gotk_reconcile_duration_seconds_bucket",
        "gotk_reconcile_duration_seconds_count",
        "controller_runtime_reconcile_errors_total",
        "workqueue_depth",
    ),
    "KEDA operator (docs: integrations/prometheus)": (
        "keda_scaler_active",
        "keda_scaler_metrics_value",
        "keda_scaler_metrics_latency_seconds",
        "keda_scaler_detail_errors_total",
        "keda_scaled_job_errors_total",
    ),
    "cert-manager (docs: devops-tips/prometheus-metrics)": (
        "certmanager_certificate_expiration_timestamp_seconds",
        "certmanager_certificate_ready_status",
    ),
    "kube-state-metrics (docs: metrics/workload)": (
        "kube_deployment_status_replicas_available",
        "kube_job_status_active",
        "kube_job_status_failed",
        "kube_pod_status_phase",
        "kube_pod_container_resource_requests",
        "kube_pod_container_status_terminated_reason",
        "kube_pod_container_status_restarts_total",
        "kube_resourcequota",
        "kube_statefulset_replicas",
        "kube_statefulset_status_replicas_ready",
    ),
    "kubelet and cAdvisor": (
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "kubelet_volume_stats_available_bytes",
        "kubelet_volume_stats_capacity_bytes",
    ),
    "node-exporter": (
        "node_filesystem_avail_bytes",
        "node_filesystem_size_bytes",
        "node_memory_MemAvailable_bytes",
        "node_memory_MemTotal_bytes",
    ),
    "Prometheus itself": ("up",),
}
