"""The rollback controller's manifests, against the programs that read them; what it may do, and the switch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from raibid.cli.gitops import app
from raibid.contract import Env, Secrets
from raibid.forge.credentials import Login, login_for
from raibid.gitops.rollback.receiver import PATH, keys_of
from raibid.gitops.settings import GitopsSettings

from components import flux, gitea_bootstrap, rollback
from components.gitea_bootstrap import LABELS
from components.secret_values import deriver
from components.settings import Settings, load_stack
from tests.flux.rendered import Rendered, pods, render

DERIVE = deriver("0123456789abcdef" * 4, {})


@pytest.fixture(scope="module")
def spark() -> Rendered:
    return render(load_stack("dgx-spark"))


def changed(**systems: bool) -> Settings:
    settings = load_stack("dgx-spark")
    return settings.model_copy(update={"systems": settings.systems.model_copy(update=systems)})


def container(rendered: Rendered) -> Mapping[str, Any]:
    (pod,) = pods(rendered.one("Deployment", rollback.NAME))
    (found,) = pod["containers"]
    return dict(found)


def secret(rendered: Rendered, namespace: str) -> Mapping[str, str]:
    (found,) = [
        item
        for path, item in rendered.emission.secrets.items()
        if path.startswith(rollback.DIRECTORY) and item.namespace == namespace
    ]
    return found.values(DERIVE)


def rights(rendered: Rendered, namespace: str) -> set[tuple[str, str]]:
    """(kind, verb) of its Role in a namespace."""
    return {
        (kind, verb)
        for item in rendered.of_kind("Role")
        if item.manifest["metadata"]["namespace"] == namespace
        and item.manifest["metadata"]["labels"]["app.kubernetes.io/name"] == rollback.NAME
        for rule in item.manifest["rules"]
        for kind in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_command_takes_the_arguments_of_its_pod(spark: Rendered) -> None:
    command, bound, _ = app.parse_args(container(spark)["args"][1:], exit_on_error=False, print_error=False)
    assert command.__name__ == "controller"
    assert bound.arguments["port"] == rollback.PORT
    assert set(bound.arguments["releases_in"]) == {
        item.manifest["metadata"]["namespace"] for item in spark.of_kind("HelmRelease")
    }


def test_its_settings_let_it_reach_the_fleet_as_flux_does_and_nothing_else(spark: Rendered, tmp_path: Path) -> None:
    (tmp_path / "gitops.yaml").write_text(spark.one("ConfigMap", rollback.NAME)["data"]["gitops.yaml"])
    settings = GitopsSettings.load(tmp_path / "gitops.yaml")
    url = flux.git_url(spark.settings)
    assert settings.reachable(url) == url
    assert settings.hosts == (urlsplit(url).netloc,)
    assert settings.author == rollback.USER_NAME


def test_it_logs_in_where_flux_fetches_with_the_password_that_gitea_is_given(spark: Rendered, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(secret(spark, rollback.NAMESPACE)["credentials"])
    login = login_for(flux.git_url(spark.settings), file)
    order = gitea_bootstrap.order(spark.settings, "http://gitea", {label: DERIVE(label) for label in LABELS})
    assert login == Login(order["rollback"]["name"], order["rollback"]["password"])


def test_flux_signs_with_the_key_that_it_knows(spark: Rendered, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(secret(spark, rollback.NAMESPACE)["token"])
    assert keys_of(tmp_path / "token") == (secret(spark, "flux-system")["token"].encode(),)


def test_its_files_are_where_its_environment_says(spark: Rendered) -> None:
    found = container(spark)
    mounted = {mount["name"]: mount["mountPath"] for mount in found["volumeMounts"]}
    environment = {item["name"]: item["value"] for item in found["env"]}
    assert environment[Env.ROLLBACK_TOKEN_FILE] == f"{mounted['secrets']}/token"
    assert environment[Env.FORGE_CREDENTIALS_FILE] == f"{mounted['secrets']}/credentials"
    assert environment[Env.GITOPS_FILE] == f"{mounted['config']}/gitops.yaml"


def test_flux_sends_failures_alone_to_where_it_listens(spark: Rendered) -> None:
    provider, alert = spark.one("Provider", rollback.PROVIDER), spark.one("Alert", rollback.PROVIDER)
    assert (provider["spec"]["type"], alert["spec"]["eventSeverity"]) == ("generic-hmac", "error")
    address = urlsplit(provider["spec"]["address"])
    assert (address.port, address.path) == (rollback.PORT, PATH)
    service = spark.one("Service", rollback.NAME)
    assert address.hostname == f"{rollback.NAME}.{rollback.NAMESPACE}.svc.cluster.local"
    assert [port["port"] for port in service["spec"]["ports"]] == [rollback.PORT]


def test_an_alert_of_every_applier_wakes_it(spark: Rendered) -> None:
    sources = {
        (item["kind"], item["namespace"]) for item in spark.one("Alert", rollback.PROVIDER)["spec"]["eventSources"]
    }
    appliers = {
        (kind, item.manifest["metadata"]["namespace"])
        for kind in ("Kustomization", "HelmRelease")
        for item in spark.of_kind(kind)
    }
    assert appliers <= sources


def test_it_may_look_and_ask_flux_to_look_and_tell_of_it_and_nothing_else(spark: Rendered) -> None:
    assert {verb for _, verb in rights(spark, "flux-system")} == {"get", "list", "watch", "patch", "create"}
    assert {kind for kind, verb in rights(spark, "flux-system") if verb == "patch"} == {
        "kustomizations",
        "gitrepositories",
    }
    assert {kind for kind, verb in rights(spark, "flux-system") if verb == "create"} == {"events"}


def test_it_looks_at_helm_releases_wherever_there_are_any(spark: Rendered) -> None:
    for item in spark.of_kind("HelmRelease"):
        assert rights(spark, item.manifest["metadata"]["namespace"]) >= {("helmreleases", "list")}


def test_no_role_of_it_knows_secrets(spark: Rendered) -> None:
    spaces = {item.manifest["metadata"]["namespace"] for item in spark.of_kind("Role")}
    assert not [kind for space in spaces for kind, _ in rights(spark, space) if kind in ("secrets", "configmaps", "*")]


def test_its_old_pod_stays_until_the_new_one_is_ready(spark: Rendered) -> None:
    """So that a commit that breaks this very pod is taken back."""
    assert spark.one("Deployment", rollback.NAME)["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


@pytest.mark.parametrize("label", [rollback.LABEL, rollback.TOKEN_LABEL])
def test_another_password_starts_it_anew(label: str) -> None:
    def annotation(settings: Settings) -> str:
        template = render(settings).one("Deployment", rollback.NAME)["spec"]["template"]
        return str(template["metadata"]["annotations"]["raibid.dev/rotation"])

    before = load_stack("dgx-spark")
    assert annotation(before) != annotation(before.model_copy(update={"rotation": {label: 1}}))


def test_switched_off_nothing_of_it_is_applied_and_nobody_may_push() -> None:
    settings = changed(rollback=False)
    applied = [item.manifest["metadata"].get("labels", {}) for item in render(settings).applied]
    assert rollback.NAME not in {labels.get("app.kubernetes.io/name") for labels in applied}
    order = gitea_bootstrap.order(settings, "http://gitea", dict.fromkeys(LABELS, "x"))
    assert order["rollback"] is None


def test_without_monitoring_it_is_there_all_the_same() -> None:
    assert render(changed(monitoring=False, notifications=False)).one("Provider", rollback.PROVIDER)


def test_a_fleet_that_is_kept_elsewhere_has_none() -> None:
    settings = load_stack("dgx-spark")
    elsewhere = settings.fleet.model_copy(update={"url": "https://git.example.org/raibid/fleet.git"})
    assert not rollback.wanted(settings.model_copy(update={"fleet": elsewhere}))


def test_its_secret_is_the_one_that_its_pod_mounts(spark: Rendered) -> None:
    (pod,) = pods(spark.one("Deployment", rollback.NAME))
    assert {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v} == {Secrets.ROLLBACK}
