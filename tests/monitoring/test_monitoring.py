"""What is measured, shown and alerted on exists; what is installed costs what the budget was told."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from raibid.api.metrics import Metrics
from raibid.api.mirror_metrics import MirrorMetrics
from raibid.gitops.rollback.metrics import Metrics as RollbackMetrics
from raibid.ledger import Depth
from raibid.model.job import Job, JobSpec, JobStatus
from raibid.model.mirror import MirrorRecord

from components import monitoring
from components.budget import Workload
from components.manifest_tree import SUBSTITUTE_OFF, SecretManifest
from components.monitoring.alert_rules import GROUPS
from components.monitoring.dashboards import DASHBOARDS
from components.monitoring.metric_names import API, METRICS, ROLLBACK
from components.settings import load_stack
from components.systems import budget_of
from components.units import millicores, size
from components.workload import ROTATION

SETTINGS = load_stack("dgx-spark")
KNOWN = {name for names in METRICS.values() for name in names}
WORDS = {
    "and", "or", "by", "on", "ignoring", "bool", "offset", "sum", "max", "min", "count", "rate", "increase", "delta",
    "absent", "vector", "time", "histogram_quantile",
}  # fmt: skip


def metrics_in(expression: str) -> set[str]:
    """Names of metrics in PromQL: identifiers that are neither functions, labels, strings nor durations."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)", "", bare)
    return {word for word in re.findall(r"[a-zA-Z_][a-zA-Z0-9_]*", bare) if word not in WORDS}


def expressions() -> Iterator[tuple[str, str]]:
    for alerts in GROUPS.values():
        for alert in alerts:
            yield alert.name, alert.expr
    for page in DASHBOARDS:
        for panel in page.panels:
            for query in panel.queries.values():
                yield f"{page.uid}: {panel.title}", query


def objects() -> Iterator[Mapping[str, Any]]:
    for items in monitoring.manifests(SETTINGS).directories.values():
        yield from (item for item in items if not isinstance(item, SecretManifest))


def of_kind(kind: str) -> list[Mapping[str, Any]]:
    return [item for item in objects() if item["kind"] == kind]


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=lambda text: text[:40])
def test_every_metric_that_is_asked_for_is_exposed_by_somebody(where: str, expression: str) -> None:
    assert metrics_in(expression)
    assert metrics_in(expression) <= KNOWN, where


def test_every_metric_of_the_table_is_used() -> None:
    assert {name for _, expression in expressions() for name in metrics_in(expression)} == KNOWN


def test_the_apis_metrics_are_those_that_it_exposes() -> None:
    numbers = dict.fromkeys(("stream", "claimed", "pending", "waiting", "held", "dead", "window", "admit_errors"), 0)
    by_name = ("repos", "claimed_repos", "resources", "claimed_resources", "limits")
    empty: dict[str, int] = {}
    depth = msgspec.convert({**numbers, **dict.fromkeys(by_name, empty), "paused": False}, Depth)
    metrics = Metrics(lambda: depth)
    metrics.webhook("gitea", "queued")
    metrics.system_error("archive")
    metrics.watch_reconciler("gitea", time.time)
    MirrorMetrics(metrics.registry, lambda: {"a/b": MirrorRecord(source="https://git.example/a/b.git", behind=1.0)})
    spec = JobSpec(repo="a/b", clone_url="https://git.example/a/b.git", ref="refs/heads/main")
    metrics.ended(Job(id="j", spec=spec, status=JobStatus.FAILED, created=1, started=2, finished=3))
    samples = {
        sample.name for family in text_string_to_metric_families(metrics.text().decode()) for sample in family.samples
    }
    assert set(API) <= samples


def test_the_rollback_controllers_metrics_are_those_that_it_exposes() -> None:
    metrics = RollbackMetrics()
    metrics.stopped([("flux-system", "Kustomization", "apps")])
    metrics.trouble("KubeError")
    metrics.result("reverted")
    families = text_string_to_metric_families(metrics.page()[0].decode())
    assert set(ROLLBACK) <= {sample.name for family in families for sample in family.samples}


def test_an_api_that_never_found_out_which_mirrors_there_are_says_so() -> None:
    """`time() - 0` is over any age; a series that is not there is over none."""
    metrics = CollectorRegistry()
    MirrorMetrics(metrics, dict)
    assert metrics.get_sample_value("raibid_mirror_survey_seconds") == 0


def test_a_failing_object_is_found_whichever_way_it_flips() -> None:
    """`ready="False"` with `for` never fires: each retry passes through Unknown."""
    queries = [query for _, query in expressions() if "flux_resource_info" in query]
    assert queries
    assert not [query for query in queries if 'ready="False"' in query]


def test_nothing_is_asked_of_agents_that_only_a_restart_writes() -> None:
    """Agents are never restarted (restartPolicy Never): kube-state-metrics has the last termination of none."""
    about_agents = [query for _, query in expressions() if 'namespace="ci"' in query]
    assert any("OOMKilled" in query for query in about_agents)
    assert not [query for query in about_agents if "last_terminated" in query or "restarts_total" in query]


def test_a_sum_of_counters_counts_one_that_has_no_series_yet() -> None:
    added = [part for _, query in expressions() for part in query.split(" + ") if " + " in query]
    assert len(added) == 2
    assert all("or vector(0))" in part for part in added)


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    for alerts in GROUPS.values():
        for alert in alerts:
            assert alert.summary
            assert alert.todo.endswith(".")


def test_alert_names_are_unique() -> None:
    names = [alert.name for alerts in GROUPS.values() for alert in alerts]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_a_dashboard_is_json_whose_panels_do_not_overlap(page: Any) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(page.as_json())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_what_holds_dollars_for_grafana_is_left_alone_by_flux() -> None:
    for item in (*of_kind("ConfigMap"), *of_kind("PrometheusRule")):
        assert item["metadata"]["annotations"] == SUBSTITUTE_OFF


def test_grafana_finds_every_dashboard() -> None:
    assert [item["metadata"]["labels"]["grafana_dashboard"] for item in of_kind("ConfigMap")] == ["1"] * len(DASHBOARDS)


def requested(values: object) -> Iterator[Mapping[str, str]]:
    if isinstance(values, Mapping):
        if {"cpu", "memory"} <= values.keys() and isinstance(values["cpu"], str):
            yield values
        for key, value in values.items():
            if key != "limits":
                yield from requested(value)


def test_the_release_requests_what_the_budget_was_told() -> None:
    (release,) = of_kind("HelmRelease")
    asked = list(requested(release["spec"]["values"]))
    spec = monitoring.footprint(SETTINGS)
    # Two pods have one reloader each, Grafana two watchers: one value each, two containers each.
    sidecars = [value for value in asked if value["cpu"] == "10m"]
    assert len(sidecars) == 2
    extra = [*sidecars, *sidecars]
    wanted: list[Workload] = list(spec.workloads)
    assert sum(millicores(a["cpu"]) for a in asked + extra[:2]) == sum(w.cpu for w in wanted)
    assert sum(size(a["memory"]) for a in asked + extra[:2]) == sum(w.memory for w in wanted)


def test_monitoring_takes_little_of_the_machine() -> None:
    assert sum(workload.cpu for workload in monitoring.footprint(SETTINGS).workloads) == 600


def test_prometheus_stays_below_its_volume() -> None:
    values = monitoring.variables(SETTINGS, None)  # type: ignore[arg-type]  # its own disk needs no budget
    assert size(values["monitoring_retained"].removesuffix("B").replace("M", "Mi")) < 0.9 * size(
        values["monitoring_disk"]
    )


def test_the_password_of_grafana_is_derived_and_encrypted() -> None:
    secrets = [
        i
        for items in monitoring.manifests(SETTINGS).directories.values()
        for i in items
        if isinstance(i, SecretManifest)
    ]
    (secret,) = secrets
    assert secret.manifest(lambda label: f"<{label}>")["stringData"]["admin-password"] == "<grafana/admin>"


def test_a_failed_release_fires_in_alertmanager() -> None:
    (provider,), (alert,) = of_kind("Provider"), of_kind("Alert")
    assert provider["spec"]["type"] == "alertmanager"
    assert provider["spec"]["address"] == (
        "http://kube-prometheus-stack-alertmanager.monitoring.svc.cluster.local:9093/api/v2/alerts"
    )
    assert provider["metadata"]["namespace"] == alert["metadata"]["namespace"] == "flux-system"
    assert alert["spec"]["providerRef"]["name"] == provider["metadata"]["name"]
    assert alert["spec"]["eventSeverity"] == "error"


def test_alertmanager_bears_the_name_that_it_is_called_by() -> None:
    """The chart names its objects after the release, unless it is told otherwise."""
    (release,) = of_kind("HelmRelease")
    assert release["spec"]["releaseName"] == "kube-prometheus-stack"
    assert not {"nameOverride", "fullnameOverride", "namespaceOverride"} & release["spec"]["values"].keys()


def release() -> Mapping[str, Any]:
    (found,) = of_kind("HelmRelease")
    return found


def test_the_release_with_a_volume_is_retried_and_never_rolled_back() -> None:
    assert "storageSpec" in release()["spec"]["values"]["prometheus"]["prometheusSpec"]
    assert release()["spec"]["upgrade"]["strategy"]["name"] == "RetryOnFailure"
    assert "remediation" not in release()["spec"]["upgrade"]


def test_a_rotated_password_of_grafana_restarts_it() -> None:
    """The chart hands it over in the environment."""
    assert release()["spec"]["values"]["grafana"]["podAnnotations"] == {ROTATION: "${monitoring_rotation}"}
    rotated = SETTINGS.model_copy(update={"rotation": {monitoring.ADMIN_LABEL: 2}})
    values = [monitoring.variables(each, budget_of(each))["monitoring_rotation"] for each in (SETTINGS, rotated)]
    assert values == ["g0", "g2"]
