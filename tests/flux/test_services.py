"""The API, Redis, the cache, certificates: their manifests against the programs that will read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis as client
import yaml
from raibid.api.settings import Settings as ApiSettings
from raibid.contract import STREAM, AclUser, Env
from raibid.forge import RepositoryRule, load_enrolment
from raibid.git.rooms import Rooms
from raibid.local.redis_server import RedisServer
from raibid.model.conditions import passes

from components import api, cert_manager, mirrors, redis, registry_cache
from components.secret_values import deriver
from components.settings import load_stack
from components.units import size
from components.workload import fingerprint
from tests.flux.rendered import Rendered, pods, render

SEED = "0123456789abcdef" * 4
DERIVE = deriver(SEED, {})


def hours(duration: str) -> int:
    return int(duration.removesuffix("h"))


def secret(rendered: Rendered, name: str) -> Mapping[str, str]:
    (found,) = [item for item in rendered.emission.secrets.values() if item.name == name]
    return found.values(DERIVE)


def test_the_api_starts_with_the_environment_and_the_files_of_its_manifests(
    rendered: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pod,) = pods(rendered.one("Deployment", "raibid-api"))
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    files = {
        mounts["tokens"]: secret(rendered, "raibid-api"),
        mounts["enrolment"]: rendered.one("ConfigMap", api.ENROLMENT)["data"],
    }
    for directory, entries in files.items():
        for name, text in entries.items():
            target = tmp_path / directory.lstrip("/") / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    for name, value in rendered.one("ConfigMap", "raibid-api")["data"].items():
        monkeypatch.setenv(name, f"{tmp_path}{value}" if value.startswith(tuple(files)) else value)
    settings = ApiSettings.load()
    assert settings.webhook_secrets == (DERIVE("api/webhook").encode(),)
    assert settings.write_tokens == (DERIVE("api/write-token").encode(),)
    assert settings.store == f"file://{mounts['store']}"
    enrolment = load_enrolment(settings.enrolment_file)
    assert enrolment.rule("acme/anvil") == RepositoryRule()
    fleet = enrolment.rule("raibid/fleet")
    assert fleet
    assert fleet.branches
    assert not passes(fleet.branches, "main")


def test_the_api_is_asked_on_the_port_that_it_listens_on(rendered: Rendered) -> None:
    (pod,) = pods(rendered.one("Deployment", "raibid-api"))
    (container,) = pod["containers"]
    port = container["ports"][0]["containerPort"]
    assert container["args"][-2:] == ["--port", str(port)]
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }
    assert api.URL.endswith(f":{port}")


@pytest.mark.parametrize("url", ["", "https://ci.example.org/pool"])
def test_statuses_link_to_where_people_reach_the_api_or_nowhere(url: str) -> None:
    rendered = render(load_stack("dgx-spark").model_copy(update={"public_url": url}))
    (container,) = next(pods(rendered.one("Deployment", "raibid-api")))["containers"]
    assert {"name": Env.PUBLIC_URL, "value": url} in container["env"]
    assert Env.PUBLIC_URL not in rendered.one("ConfigMap", "raibid-api")["data"]


def test_every_service_finds_pods(rendered: Rendered) -> None:
    templates = [
        (item.manifest["metadata"]["namespace"], item.manifest["spec"]["template"])
        for kind in ("Deployment", "StatefulSet")
        for item in rendered.of_kind(kind)
    ]
    for item in rendered.of_kind("Service"):
        selector = item.manifest["spec"]["selector"].items()
        namespace = item.manifest["metadata"]["namespace"]
        chosen = [t for ns, t in templates if ns == namespace and selector <= t["metadata"]["labels"].items()]
        assert len(chosen) == 1, item.path
        named = {port["name"] for container in chosen[0]["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in item.manifest["spec"]["ports"]} <= named


def test_redis_takes_its_configuration_and_keda_may_do_nothing_but_count(
    rendered_as: Callable[[str], Rendered], tmp_path: Path
) -> None:
    acl = tmp_path / "users.acl"
    acl.write_text(secret(rendered_as("dgx-spark"), "redis-acl")["users.acl"])
    acl.chmod(0o600)
    password = DERIVE(redis.password_label(AclUser.KEDA))
    directives = dict(line.split(" ", 1) for line in redis.CONF.splitlines() if line and not line.startswith("#"))
    assert directives["appendfsync"] == "always"
    assert directives["maxmemory-policy"] == "noeviction"
    own = {name: value for name, value in directives.items() if name not in ("aclfile", "dir", "pidfile")}
    with RedisServer(tmp_path / "data", acl_file=acl, config=own) as server:
        port = server.port
        keda = client.Redis(port=port, username=AclUser.KEDA, password=password)
        assert keda.xlen(STREAM) == 0
        with pytest.raises(client.exceptions.NoPermissionError):
            keda.get("anything")
        with pytest.raises(client.exceptions.AuthenticationError):
            client.Redis(port=port).ping()


def test_redis_keeps_every_acknowledged_write_and_a_full_one_refuses(rendered: Rendered) -> None:
    conf = rendered.one("ConfigMap", "redis")["data"]["redis.conf"].splitlines()
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction"} <= set(conf)


def test_redis_has_guaranteed_memory_and_cores(rendered: Rendered) -> None:
    (pod,) = pods(rendered.one("StatefulSet", "redis"))
    assert pod["containers"][0]["resources"]["requests"] == pod["containers"][0]["resources"]["limits"]


def test_a_changed_configuration_starts_its_pod_anew(rendered: Rendered) -> None:
    before = rendered.one("StatefulSet", "redis")["spec"]["template"]["metadata"]["annotations"]["raibid.dev/config"]
    assert before != fingerprint({"redis.conf": redis.CONF + "\n"})


def test_the_cache_is_asked_through_its_node_port(rendered_as: Callable[[str], Rendered]) -> None:
    rendered = rendered_as("dgx-spark")
    service = rendered.one("Service", registry_cache.NAME)
    assert service["spec"]["ports"][0]["nodePort"] == registry_cache.NODE_PORT
    config = yaml.safe_load(rendered.one("ConfigMap", registry_cache.NAME)["data"]["config.yml"])
    assert config["http"]["addr"] == f":{registry_cache.PORT}"
    assert config["proxy"]["remoteurl"].startswith("https://")


def test_certificates_are_renewed_long_before_they_expire(rendered_as: Callable[[str], Rendered]) -> None:
    certificates = [item.manifest["spec"] for item in rendered_as("dgx-spark").of_kind("Certificate")]
    assert len(certificates) == 2
    for spec in certificates:
        assert 24 * 14 <= hours(spec["renewBefore"]) < hours(spec["duration"])


def test_every_certificate_has_its_issuer_and_the_leaf_comes_from_the_pools_own_authority(
    rendered_as: Callable[[str], Rendered],
) -> None:
    rendered = rendered_as("dgx-spark")
    issuers = {item.manifest["metadata"]["name"]: item.manifest["spec"] for item in rendered.of_kind("ClusterIssuer")}
    leaf = rendered.one("Certificate", cert_manager.GITEA_TLS)["spec"]
    root = rendered.one("Certificate", issuers[leaf["issuerRef"]["name"]]["ca"]["secretName"])["spec"]
    assert root["isCA"] is True
    assert "selfSigned" in issuers[root["issuerRef"]["name"]]
    assert leaf["dnsNames"][0] == f"gitea.{rendered.settings.domain}"


def test_the_gpu_is_lent_to_as_many_pods_as_the_node_says(rendered_as: Callable[[str], Rendered]) -> None:
    values: Any = rendered_as("dgx-spark").one("HelmRelease", "nvidia-device-plugin")["spec"]["values"]
    (slices,) = yaml.safe_load(values["config"]["map"]["default"])["sharing"]["timeSlicing"]["resources"]
    assert slices == {"name": "nvidia.com/gpu", "replicas": 4}


def test_what_git_keeps_for_mirrors_fits_into_the_apis_room(rendered: Rendered) -> None:
    (pod,) = pods(rendered.one("Deployment", "raibid-api"))
    (tmp,) = [volume["emptyDir"] for volume in pod["volumes"] if volume["name"] == "tmp"]
    most = int(rendered.one("ConfigMap", "raibid-api")["data"][Env.MIRROR_SCRATCH_BYTES])
    with Rooms(most=most).small() as small:
        looks = 4 * small.most  # `_AT_ONCE` of raibid.api.mirror_keeper
    assert most + looks < size(tmp["sizeLimit"])


def test_the_mirrors_job_asks_the_same_github_as_the_api(rendered: Rendered) -> None:
    if not rendered.settings.systems.mirrors:
        pytest.skip("this stack makes no mirrors")
    (api_pod,) = pods(rendered.one("Deployment", "raibid-api"))
    job = rendered.one("CronJob", mirrors.NAME)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    asked = [
        variable["value"]
        for spec in (api_pod, job)
        for variable in spec["containers"][0]["env"]
        if variable["name"] == Env.GITHUB_URL
    ]
    assert len(asked) == 2
    assert asked[0] == asked[1]
