"""Flux tells Gitea, Gitea tells Flux."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components import notifications
from components.manifest_tree import SecretManifest
from components.settings import load_stack

SETTINGS = load_stack("dgx-spark")


def of_kind(kind: str) -> list[Mapping[str, Any]]:
    items = notifications.manifests(SETTINGS).directories[notifications.DIRECTORY]
    return [item for item in items if not isinstance(item, SecretManifest) and item["kind"] == kind]


def test_the_receivers_path_is_known_before_the_receiver_is() -> None:
    """sha256("t" + "fleet" + "flux-system"), as sha256sum says it."""
    assert notifications.receiver_path("t") == (
        "/hook/096ebb62b5e5403392b4e0b2de8e1dfbcd77bd587ff043bf882a5afd1429b08e"
    )


def test_the_receiver_listens_for_gitea_and_wakes_only_the_source() -> None:
    (receiver,) = of_kind("Receiver")
    assert receiver["metadata"]["name"] == notifications.RECEIVER
    assert receiver["metadata"]["namespace"] == "flux-system"
    assert receiver["spec"]["type"] == "github"
    assert [resource["kind"] for resource in receiver["spec"]["resources"]] == ["GitRepository"]


def test_every_kustomization_becomes_a_commit_status_good_or_bad() -> None:
    (alert,) = of_kind("Alert")
    assert alert["spec"]["eventSources"] == [{"kind": "Kustomization", "name": "*", "namespace": "flux-system"}]
    assert alert["spec"]["eventSeverity"] == "info"


def test_the_alert_has_its_provider_and_that_one_its_token() -> None:
    (provider,), (alert,) = of_kind("Provider"), of_kind("Alert")
    assert provider["spec"]["type"] == "gitea"
    assert provider["spec"]["secretRef"] == {"name": "gitea-token"}
    assert alert["spec"]["providerRef"]["name"] == provider["metadata"]["name"]


def test_the_repository_is_the_one_that_flux_reads() -> None:
    elsewhere = SETTINGS.model_copy(
        update={"fleet": SETTINGS.fleet.model_copy(update={"url": "https://git.example/o/f.git"})}
    )
    assert notifications.repository(SETTINGS).endswith("/raibid/fleet")
    assert notifications.repository(elsewhere) == "https://git.example/o/f"
