"""Gitea and PostgreSQL: their objects as values, and the component that creates them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from components import api, gitea, gitea_config, postgres
from components.engine.plan import Plan, plan
from components.gitea import LABELS, api_url, footprint, jwt_key, objects
from components.manifest_tree import Tree
from components.settings import Settings, load_stack
from components.units import GI, size_text
from components.versions import KUBERNETES_MINOR

Object = Mapping[str, Any]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_stack("dgx-spark")


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan("dgx-spark")


def named(settings: Settings, kind: str, name: str) -> Object:
    return next(item for item in objects(settings) if (item["kind"], item["metadata"]["name"]) == (kind, name))


def pod(settings: Settings, name: str) -> Any:
    return named(settings, "StatefulSet", name)["spec"]["template"]["spec"]


@pytest.mark.parametrize("stack", ["dev", "dgx-spark"])
def test_every_object_is_valid_for_the_pinned_kubernetes(stack: str) -> None:
    for item in objects(load_stack(stack)):
        kubernetes_validate.validate(item, KUBERNETES_MINOR, strict=True)


def test_the_footprint_is_what_the_pods_request(settings: Settings) -> None:
    for workload in footprint(settings).workloads:
        (container,) = pod(settings, workload.name)["containers"]
        assert container["resources"]["requests"]["memory"] == size_text(workload.memory)
        (claim,) = named(settings, "StatefulSet", workload.name)["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["resources"]["requests"]["storage"] == size_text(workload.disk)
    assert footprint(settings).of("gitea").memory == 2 * GI


def test_a_digest_of_the_stack_pins_the_image_beside_its_tag(settings: Settings) -> None:
    digest = f"sha256:{'a' * 64}"
    (container,) = pod(settings.model_copy(update={"digests": {"postgres": digest}}), "postgres")["containers"]
    assert container["image"].endswith(f"alpine3.22@{digest}")
    assert pod(settings, "postgres")["containers"][0]["image"].endswith("alpine3.22")


def test_flux_gets_nothing_of_gitea(settings: Settings) -> None:
    assert gitea.manifests(settings) == Tree("gitea")


def test_the_volumes_need_no_object_that_comes_with_flux(settings: Settings) -> None:
    classes = {item["metadata"]["name"] for item in objects(settings) if item["kind"] == "StorageClass"}
    for name in ("gitea", "postgres"):
        (claim,) = named(settings, "StatefulSet", name)["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["storageClassName"] in classes


@pytest.mark.parametrize("name", ["gitea", "postgres"])
def test_pods_fit_a_restricted_namespace(settings: Settings, name: str) -> None:
    spec = pod(settings, name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", ["gitea", "postgres"])
def test_everything_mounted_is_a_volume_and_no_secret_is_in_the_environment(settings: Settings, name: str) -> None:
    spec = pod(settings, name)
    volumes = {"data", *(volume["name"] for volume in spec["volumes"])}
    (container,) = spec["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    for variable in container["env"]:
        secret = any(word in variable["name"] for word in ("PASSW", "SECRET", "TOKEN"))
        assert not secret or variable["name"].endswith("FILE")


def test_every_file_that_a_setting_names_is_a_key_of_the_secret() -> None:
    keys = {label.partition("/")[2] for label in LABELS}
    assert set(gitea_config.SECRET_SETTINGS.values()) <= keys


def test_webhooks_may_reach_the_receiver_under_both_names_of_the_setting(settings: Settings) -> None:
    plain = gitea_config.plain(settings)
    assert "private" in plain["webhook__ALLOWED_HOST_LIST"]
    assert plain["security__ALLOWED_HOST_LIST"] == plain["webhook__ALLOWED_HOST_LIST"]


def test_the_hash_of_passwords_is_left_to_gitea(settings: Settings) -> None:
    assert not [name for name in gitea_config.plain(settings) if "PASSWORD_HASH_ALGO" in name]


def test_a_rotated_password_restarts_those_who_read_it_and_no_other(settings: Settings) -> None:
    rotated = settings.model_copy(update={"rotation": {"gitea/admin": 1}})
    assert named(rotated, "StatefulSet", "postgres") == named(settings, "StatefulSet", "postgres")
    assert named(rotated, "StatefulSet", "gitea") != named(settings, "StatefulSet", "gitea")


def test_only_gitea_may_talk_to_the_database(settings: Settings) -> None:
    spec = named(settings, "NetworkPolicy", "postgres")["spec"]
    ((peer,),) = [rule["from"] for rule in spec["ingress"]]
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "gitea"}
    assert "egress" not in spec
    assert "Egress" in spec["policyTypes"]


def test_gitea_reaches_public_addresses_and_of_the_cluster_only_its_database_and_who_listens_to_its_hooks(
    settings: Settings,
) -> None:
    egress = named(settings, "NetworkPolicy", "gitea")["spec"]["egress"]
    assert all(rule.get("to") and rule.get("ports") for rule in egress)
    peers = [(peer, [port["port"] for port in rule["ports"]]) for rule in egress for peer in rule["to"]]
    reached = {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]: ports for peer, ports in peers[:-1]
    }
    assert reached == {"kube-system": [53, 53], "infrastructure": [5432], "ci": [api.PORT], "flux-system": [9292]}
    (block, ports) = peers[-1]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(block["ipBlock"]["except"])
    assert ports == [443, 22]


def test_git_of_gitea_follows_no_source_elsewhere(settings: Settings) -> None:
    assert gitea_config.plain(settings)["git_0X2E_config__http_0X2E_followRedirects"] == "false"


@pytest.mark.parametrize(("stack", "kind"), [("dgx-spark", "LoadBalancer"), ("dev", "ClusterIP")])
def test_only_our_own_node_answers_on_giteas_ports(stack: str, kind: str) -> None:
    assert named(load_stack(stack), "Service", "gitea-http")["spec"]["type"] == kind


def test_the_machine_that_deploys_reaches_gitea_by_the_node_that_it_reaches_anyway(settings: Settings) -> None:
    assert api_url(settings) == "http://dgx-spark.raibid.internal:3000"
    assert api_url(load_stack("dev")) == "http://gitea.raibid.internal:3000"


def test_a_derived_password_becomes_a_key_of_32_bytes() -> None:
    assert len(jwt_key("0f" * 32)) == 43
    assert "=" not in jwt_key("ff" * 32)


def test_what_holds_repositories_and_their_database_is_protected(planned: Plan) -> None:
    kept = [item for item in planned.resources if item.type.endswith(":StatefulSet")]
    assert {item.name for item in kept} == {"gitea-statefulset-gitea", "gitea-statefulset-postgres"}
    for item in kept:
        assert item.protect


def test_secret_values_are_marked_secret(planned: Plan) -> None:
    for name in ("gitea-secret-gitea", "gitea-secret-gitea-database"):
        (resource,) = [item for item in planned.resources if item.name == name]
        assert any(path.startswith("stringData") for path in resource.secrets)


def test_the_setups_order_is_secret_as_a_whole(planned: Plan) -> None:
    (call,) = [item for item in planned.resources if item.name == "gitea-setup-call"]
    assert "stdin" in call.secrets
    assert call.inputs["create"].endswith("-m components gitea-setup --json")


def test_typed_resources_get_the_manifest_as_it_is(planned: Plan, settings: Settings) -> None:
    created = planned.objects()["gitea-statefulset-gitea"]
    assert created["spec"] == _floats(named(settings, "StatefulSet", "gitea")["spec"])


def _floats(value: Any) -> Any:
    """Numbers as the engine's wire has them."""
    if isinstance(value, Mapping):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


SCRIPTS = sorted((Path(__file__).parents[2] / "components/scripts").glob("[gp]*.sh"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_of_pods_hold_no_secret_in_an_argument(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in lines if "--password" in line]
    assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0


def test_the_databases_address_is_its_service(settings: Settings) -> None:
    service = named(settings, "Service", "postgres")
    assert f"postgres.{service['metadata']['namespace']}.svc.cluster.local:{postgres.PORT}" == postgres.HOST
