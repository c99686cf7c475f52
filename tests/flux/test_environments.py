"""One base, three environments: they differ in `clusters/<env>` and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from components import systems
from components.flux import git_url
from components.settings import Settings, load_stack
from tests.flux.rendered import STACKS, Rendered, render

DIGEST = "sha256:" + "ab" * 32


def changed(settings: Settings, **fields: object) -> Settings:
    return settings.model_copy(update=fields)


def test_the_base_is_the_same_bytes_for_every_environment(rendered_as: Callable[[str], Rendered]) -> None:
    local, dev, spark = (rendered_as(stack).base for stack in STACKS)
    assert local == dev == spark


def test_the_same_settings_give_the_same_bytes(rendered: Rendered) -> None:
    again = systems.emission(load_stack(rendered.environment))
    assert again.files == rendered.emission.files
    assert again.digest() == rendered.emission.digest()


def test_the_order_in_which_pins_are_written_changes_nothing() -> None:
    settings = load_stack("dgx-spark")
    pins = {"redis": DIGEST, "registry": DIGEST}
    forth = changed(settings, digests=pins, rotation={"redis/raibid-api": 1, "api/webhook": 2})
    back = changed(settings, digests=dict(reversed(pins.items())), rotation={"api/webhook": 2, "redis/raibid-api": 1})
    assert render(forth).files == render(back).files


def test_a_system_that_is_off_is_in_the_base_and_in_no_stage(rendered_as: Callable[[str], Rendered]) -> None:
    local = rendered_as("local")
    assert any(path.startswith("infrastructure/controllers/cert-manager/") for path in local.base)
    assert not any(item.manifest["kind"] == "ClusterIssuer" for item in local.applied)


def test_a_namespace_without_systems_may_hold_no_pod(rendered_as: Callable[[str], Rendered]) -> None:
    quota = next(
        item.manifest
        for item in rendered_as("local").of_kind("ResourceQuota")
        if item.manifest["metadata"]["namespace"] == "monitoring"
    )
    assert quota["spec"]["hard"]["pods"] == 0


def test_a_digest_of_the_stack_pins_the_image_and_touches_only_its_overlay() -> None:
    settings = load_stack("dgx-spark")
    before, after = render(settings), render(changed(settings, digests={"redis": DIGEST}))
    touched = {path for path in after.files if after.files[path] != before.files.get(path)}
    assert touched == {"clusters/dgx-spark/infrastructure/data/kustomization.yaml"}
    redis = after.one("StatefulSet", "redis")["spec"]["template"]["spec"]["containers"][0]
    assert redis["image"].endswith(f"@{DIGEST}")


def test_the_pools_own_images_are_named_by_the_environment(rendered: Rendered) -> None:
    agent = rendered.one("ScaledJob", "ci-agent")["spec"]["jobTargetRef"]["template"]["spec"]["containers"][0]
    api = rendered.one("Deployment", "raibid-api")["spec"]["template"]["spec"]["containers"][0]
    images = rendered.settings.images
    assert agent["image"].startswith(images.agent.repository)
    assert api["image"].startswith(images.api.repository)


@pytest.mark.parametrize(
    ("label", "kind", "name"),
    [("redis/raibid-keda", "StatefulSet", "redis"), ("api/webhook", "Deployment", "raibid-api")],
)
def test_a_rotated_secret_starts_the_pod_that_read_the_old_one(label: str, kind: str, name: str) -> None:
    settings = load_stack("dgx-spark")
    before, after = render(settings), render(changed(settings, rotation={label: 1}))
    assert before.one(kind, name)["spec"]["template"] != after.one(kind, name)["spec"]["template"]


def test_flux_fetches_inside_the_cluster_unless_the_fleet_is_kept_elsewhere() -> None:
    settings = load_stack("dgx-spark")
    inside = f"http://gitea-http.infrastructure.svc.cluster.local:3000/{settings.gitea.organisation}/fleet.git"
    for url, expected in {
        "": inside,
        "/srv/fleet.git": inside,
        "https://git.example.org/a/fleet.git": "https://git.example.org/a/fleet.git",
    }.items():
        assert git_url(changed(settings, fleet=settings.fleet.model_copy(update={"url": url}))) == expected
