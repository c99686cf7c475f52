"""HelmReleases: where charts come from, what happens when an upgrade fails."""

from __future__ import annotations

import re

import pytest

from components.flux_objects import helm_release
from components.versions import CHARTS, Chart
from tests.flux.rendered import Rendered
from tests.flux.test_stages import seconds

OCI = Chart("oci://charts.example/anvil", "anvil", "1.2.3", "a test")
HTTPS = Chart("https://charts.example", "anvil", "1.2.3", "a test")


@pytest.mark.parametrize(
    ("chart", "source"), [(OCI, "OCIRepository"), (HTTPS, "HelmRepository")], ids=lambda value: str(value)[:9]
)
def test_a_release_refers_to_the_source_beside_it(chart: Chart, source: str) -> None:
    found, release = helm_release(chart, namespace="forge", values={}, system="forge")
    assert (found["kind"], found["metadata"]["namespace"]) == (source, release["metadata"]["namespace"])
    spec = release["spec"]
    reference = spec["chartRef"] if source == "OCIRepository" else spec["chart"]["spec"]["sourceRef"]
    assert reference == {"kind": source, "name": found["metadata"]["name"]}


@pytest.mark.parametrize("chart", [OCI, HTTPS], ids=["oci", "https"])
def test_a_chart_is_pinned_to_one_version(chart: Chart) -> None:
    source, release = helm_release(chart, namespace="forge", values={}, system="forge")
    pinned = source["spec"]["ref"]["tag"] if chart is OCI else release["spec"]["chart"]["spec"]["version"]
    assert pinned == chart.version


def test_a_chart_from_a_registry_reaches_helm_as_it_was_published() -> None:
    source, _ = helm_release(OCI, namespace="forge", values={}, system="forge")
    assert source["spec"]["layerSelector"]["operation"] == "copy"


def test_a_failed_upgrade_is_rolled_back() -> None:
    """RetryOnFailure never rolls back (helm-controller#1278)."""
    _, release = helm_release(OCI, namespace="forge", values={}, system="forge")
    upgrade = release["spec"]["upgrade"]
    assert upgrade["strategy"]["name"] == "RemediateOnFailure"
    assert upgrade["remediation"] == {"retries": 2, "remediateLastFailure": True, "strategy": "rollback"}


def test_a_stateful_release_is_never_rolled_back_onto_newer_data() -> None:
    _, release = helm_release(OCI, namespace="forge", values={}, system="forge", stateful=True)
    assert release["spec"]["upgrade"]["strategy"]["name"] == "RetryOnFailure"
    assert "remediation" not in release["spec"]["upgrade"]


def test_a_release_reports_before_its_stage_gives_up(rendered: Rendered) -> None:
    for item in rendered.of_kind("HelmRelease"):
        stage = rendered.stages[item.stage]["spec"]
        assert seconds(item.manifest["spec"]["timeout"]) < seconds(stage["timeout"]), item.path


def test_a_release_waits_for_releases_that_are_there(rendered: Rendered) -> None:
    releases = {
        (i.manifest["metadata"]["namespace"], i.manifest["metadata"]["name"]) for i in rendered.of_kind("HelmRelease")
    }
    for item in rendered.of_kind("HelmRelease"):
        for on in item.manifest["spec"].get("dependsOn", []):
            assert (item.manifest["metadata"]["namespace"], on["name"]) in releases


def test_keda_is_new_enough_for_a_scaled_job_on_a_stream() -> None:
    major, minor, patch = map(int, re.findall(r"\d+", CHARTS["keda"].version))
    assert (major, minor, patch) >= (2, 20, 2)


def test_every_program_of_keda_has_the_resources_that_the_budget_counts(rendered: Rendered) -> None:
    values = rendered.one("HelmRelease", "keda")["spec"]["values"]
    assert set(values["resources"]) == {"operator", "metricServer", "webhooks"}
    assert values["watchNamespace"] == "ci"


def test_kedas_kinds_outlive_its_release_or_flux_could_not_prune_their_objects(rendered: Rendered) -> None:
    """The chart has its CRDs among its templates: without a word Helm removes them with the release."""
    values = rendered.one("HelmRelease", "keda")["spec"]["values"]
    assert values["crds"]["additionalAnnotations"] == {"helm.sh/resource-policy": "keep"}
