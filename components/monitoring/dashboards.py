"""Grafana dashboards as values: three pages that answer what people ask.

Owns: panels, their queries and units; the JSON that Grafana reads.
Leaves to others: metrics' names (`monitoring.metric_names`), Grafana itself (`monitoring`). Mirrors have no metrics
yet, so they have no page.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

_WIDTH: Final = 24
_SCHEMA: Final = 41
"""`schemaVersion` of Grafana 12; older JSON is migrated at every load."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture: queries by the name of their line."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: Literal["timeseries", "stat", "table", "gauge"] = "timeseries"
    wide: int = 8
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    panels: Sequence[Panel]

    def as_json(self) -> str:
        """As Grafana's sidecar reads it from a ConfigMap; the same panels give the same bytes."""
        return (
            json.dumps(
                {
                    "uid": self.uid,
                    "title": self.title,
                    "tags": ["raibid"],
                    "schemaVersion": _SCHEMA,
                    "editable": False,
                    "refresh": "30s",
                    "time": {"from": "now-3h", "to": "now"},
                    "panels": _placed(self.panels),
                },
                indent=1,
            )
            + "\n"
        )


def _placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Panels from left to right, a new row where the next one does not fit."""
    placed, x, y, height = [], 0, 0, 7
    for number, panel in enumerate(panels, start=1):
        if x + panel.wide > _WIDTH:
            x, y = 0, y + height
        placed.append(_panel(panel, number, {"x": x, "y": y, "w": panel.wide, "h": height}))
        x += panel.wide
    return placed


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    table = panel.kind == "table"
    targets = [
        {"refId": chr(ord("A") + index), "expr": expr, "legendFormat": name, "instant": table}
        | ({"format": "table"} if table else {})
        for index, (name, expr) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "gridPos": place,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _quantile(share: float, metric: str, by: str = "le") -> str:
    return f"histogram_quantile({share}, sum by ({by}) (rate({metric}[$__rate_interval])))"


def _p50_p95(metric: str) -> dict[str, str]:
    return {"p50": _quantile(0.5, metric), "p95": _quantile(0.95, metric)}


def _per_second(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def _last_hour(metric: str, by: str = "") -> str:
    return f"sum by ({by}) (increase({metric}[1h]))"


FLUX: Final = Dashboard(
    uid="raibid-flux",
    title="raibid / Flux",
    panels=(
        Panel(
            title="Not ready",
            queries={"objects": 'count(flux_resource_info{ready!="True"}) or vector(0)'},
            kind="stat",
            wide=6,
        ),
        Panel(title="Ready", queries={"objects": 'count(flux_resource_info{ready="True"})'}, kind="stat", wide=6),
        Panel(
            title="Suspended",
            queries={"objects": 'count(flux_resource_info{suspended="True"}) or vector(0)'},
            kind="stat",
            wide=6,
        ),
        Panel(title="Flux", queries={"{{ revision }}": "flux_instance_info"}, kind="stat", wide=6),
        Panel(
            title="What is not ready, and why",
            queries={"": 'flux_resource_info{ready!="True"}'},
            kind="table",
            wide=24,
            help="kind, exported_namespace, name and reason are what to read.",
        ),
        Panel(
            title="Reconciliation",
            queries={
                "p50 {{ kind }}": _quantile(0.5, "gotk_reconcile_duration_seconds_bucket", "kind, le"),
                "p99 {{ kind }}": _quantile(0.99, "gotk_reconcile_duration_seconds_bucket", "kind, le"),
            },
            unit="s",
        ),
        Panel(
            title="Reconciliations and their errors",
            queries={
                "{{ kind }}": _per_second("gotk_reconcile_duration_seconds_count", "kind"),
                "errors {{ controller }}": _per_second("controller_runtime_reconcile_errors_total", "controller"),
            },
            unit="ops",
        ),
        Panel(
            title="Waiting for a worker",
            queries={"{{ name }}": 'sum by (name) (workqueue_depth{namespace="flux-system"})'},
        ),
        Panel(title="Commits taken back", queries={"{{ result }}": _last_hour("raibid_rollback_total", "result")}),
        Panel(
            title="From revert to Ready",
            queries={"p95": _quantile(0.95, "raibid_rollback_duration_seconds_bucket", "le")},
            unit="s",
        ),
    ),
)

QUEUE: Final = Dashboard(
    uid="raibid-queue",
    title="raibid / Queue",
    panels=(
        Panel(
            title="Waiting", queries={"jobs": 'sum(raibid_jobs{status=~"held|waiting|queued"})'}, kind="stat", wide=4
        ),
        Panel(title="Running", queries={"jobs": 'sum(raibid_jobs{status="running"})'}, kind="stat", wide=4),
        Panel(title="Dead letters", queries={"jobs": "max(raibid_dead_letters)"}, kind="stat", wide=4),
        Panel(title="Paused", queries={"paused": "max(raibid_paused)"}, unit="bool_yes_no", kind="stat", wide=4),
        Panel(title="Redis", queries={"up": "min(raibid_redis_up)"}, unit="bool_on_off", kind="stat", wide=4),
        Panel(
            title="Window",
            queries={"jobs": "max(raibid_window)"},
            kind="stat",
            wide=4,
            help="Jobs that may be in the stream at once.",
        ),
        Panel(title="Jobs by status", queries={"{{ status }}": "sum by (status) (raibid_jobs)"}, wide=12),
        Panel(
            title="Work stream and agents",
            queries={"entries": "max(raibid_stream_entries)", "agents": "max(cicd_worker_count)"},
            wide=12,
        ),
        Panel(
            title="Wait from enqueue to claim",
            queries=_p50_p95("raibid_job_wait_seconds_bucket"),
            unit="s",
        ),
        Panel(
            title="Duration",
            queries=_p50_p95("cicd_pipeline_run_duration_seconds_bucket"),
            unit="s",
        ),
        Panel(
            title="Results", queries={"{{ result }}": _last_hour("cicd_pipeline_run_duration_seconds_count", "result")}
        ),
        Panel(
            title="Webhooks",
            queries={"{{ forge }} {{ outcome }}": _per_second("raibid_webhooks_total", "forge, outcome")},
            unit="ops",
        ),
        Panel(
            title="Jobs that failed or died",
            queries={"{{ error_type }}": _last_hour("cicd_pipeline_run_errors_total", "error_type")},
        ),
        Panel(
            title="Failures of the pool's own parts",
            queries={"{{ component }}": _last_hour("cicd_system_errors_total", "component")},
        ),
    ),
)

AGENTS: Final = Dashboard(
    uid="raibid-agents",
    title="raibid / Agents",
    panels=(
        Panel(
            title="Agents", queries={"{{ phase }}": 'sum by (phase) (kube_pod_status_phase{namespace="ci"})'}, wide=12
        ),
        Panel(
            title="What KEDA sees",
            queries={"value": "max(keda_scaler_metrics_value)", "active": "max(keda_scaler_active)"},
            wide=12,
        ),
        Panel(
            title="Time KEDA takes to look", queries={"latency": "max(keda_scaler_metrics_latency_seconds)"}, unit="s"
        ),
        Panel(
            title="KEDA's errors",
            queries={
                "scaler": _last_hour("keda_scaler_detail_errors_total"),
                "ScaledJob": _last_hour("keda_scaled_job_errors_total"),
            },
        ),
        Panel(
            title="Jobs",
            queries={
                "active": 'sum(kube_job_status_active{namespace="ci"})',
                "failed": 'sum(kube_job_status_failed{namespace="ci"})',
            },
        ),
        Panel(
            title="CPU of ci",
            queries={
                "used": 'sum(rate(container_cpu_usage_seconds_total{namespace="ci", container!=""}[$__rate_interval]))',
                "requested": 'sum(kube_pod_container_resource_requests{namespace="ci", resource="cpu"})',
                "quota": 'kube_resourcequota{namespace="ci", resource="requests.cpu", type="hard"}',
            },
            wide=12,
        ),
        Panel(
            title="Memory of ci",
            queries={
                "used": 'sum(container_memory_working_set_bytes{namespace="ci", container!=""})',
                "requested": 'sum(kube_pod_container_resource_requests{namespace="ci", resource="memory"})',
                "quota": 'kube_resourcequota{namespace="ci", resource="requests.memory", type="hard"}',
            },
            unit="bytes",
            wide=12,
        ),
        Panel(
            title="Restarts",
            queries={
                "{{ namespace }}/{{ pod }}": _last_hour("kube_pod_container_status_restarts_total", "namespace, pod")
            },
        ),
        Panel(
            title="Memory of the machine",
            queries={"available": "node_memory_MemAvailable_bytes", "total": "node_memory_MemTotal_bytes"},
            unit="bytes",
        ),
        Panel(
            title="Disk",
            queries={"{{ mountpoint }}": 'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"}'},
            unit="bytes",
        ),
    ),
)

DASHBOARDS: Final = (FLUX, QUEUE, AGENTS)
