"""The whole program, for every stack, under the SDK's mock monitor: what `python -m components plan` runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime import mocks, rpc

from components.budget import budget
from components.checkout import ROOT
from components.engine.plan import STAND_IN, Plan, Providers, Resource, plan
from components.settings import SettingsError, load_stack
from components.systems import budget_of, emission, enabled, flux_owned

STACKS = ("local", "dev", "dgx-spark")
URNS = Path(__file__).parent / "urns"
TOKEN = re.compile(r"raibid:components:[A-Z][A-Za-z0-9]+")

every_stack = pytest.mark.parametrize("stack", STACKS)


@cache
def planned(stack: str) -> Plan:
    return plan(stack)


def components(result: Plan) -> list[Resource]:
    return [resource for resource in result.resources if resource.type.startswith("raibid:")]


def of_type(result: Plan, token: str) -> list[Resource]:
    return [resource for resource in result.resources if resource.type == token]


@every_stack
def test_urns_are_stable_for_a_changed_one_replaces_the_resource(stack: str) -> None:
    golden = URNS / f"{stack}.txt"
    found = "".join(f"{resource.urn}\n" for resource in planned(stack).resources)
    if os.environ.get("RAIBID_UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()


@every_stack
def test_every_component_has_a_token_of_its_class(stack: str) -> None:
    assert components(planned(stack))
    assert all(TOKEN.fullmatch(resource.type) for resource in components(planned(stack)))


@every_stack
def test_every_component_registers_its_outputs(stack: str) -> None:
    result = planned(stack)
    assert {resource.urn for resource in components(result)} <= set(result.registered)


@every_stack
def test_what_a_provider_makes_belongs_to_a_component(stack: str) -> None:
    result = planned(stack)
    owners = {resource.urn for resource in components(result)}
    loose = [r.urn for r in result.resources if not r.type.startswith(("raibid:", "pulumi:pulumi:"))]
    assert [urn for urn in loose if planned_by_urn(result)[urn].parent not in owners] == []


def planned_by_urn(result: Plan) -> dict[str, Resource]:
    return {resource.urn: resource for resource in result.resources}


@every_stack
def test_a_preview_shows_each_file_of_each_system(stack: str) -> None:
    result = planned(stack)
    shown = set(of_type(result, "raibid:components:FluxRepo")[0].inputs["files"])
    assert shown == set(emission(load_stack(stack)).files)
    for system, _, _ in flux_owned(load_stack(stack)):
        (own,) = [resource for resource in components(result) if resource.name == system.NAME]
        assert set(own.inputs["files"]) <= shown


@every_stack
def test_no_secret_is_in_clear_anywhere_in_the_graph(stack: str) -> None:
    result = planned(stack)
    everything = json.dumps([[r.inputs for r in result.resources], result.outputs, result.registered])
    assert STAND_IN not in everything
    assert "AGE-SECRET-KEY" not in everything


@every_stack
def test_what_carries_secrets_is_marked_secret(stack: str) -> None:
    result = planned(stack)
    (push,) = [resource for resource in result.resources if resource.name == "fleet-push"]
    assert "stdin" in push.secrets
    for secret in of_type(result, "kubernetes:core/v1:Secret"):
        assert any(path.startswith(("stringData", "data")) for path in secret.secrets), secret.urn


@every_stack
def test_no_command_line_depends_on_a_secret(stack: str) -> None:
    for resource in planned(stack).resources:
        if resource.type.startswith("command:"):
            assert not {"create", "update", "delete", "environment"} & set(resource.secrets), resource.urn


def test_without_a_cluster_there_is_no_kubernetes_in_the_graph() -> None:
    assert not [r for r in planned("local").resources if "kubernetes" in r.type]


@pytest.mark.parametrize("stack", ["dev", "dgx-spark"])
def test_the_provider_is_never_replaced_because_its_kubeconfig_is_unknown(stack: str) -> None:
    (provider,) = of_type(planned(stack), "pulumi:providers:kubernetes")
    assert provider.inputs["clusterIdentifier"] == stack


@pytest.mark.parametrize("stack", ["dev", "dgx-spark"])
def test_what_holds_data_is_protected(stack: str) -> None:
    stateful = ("Namespace", "StatefulSet", "PersistentVolumeClaim")
    objects = [r for r in planned(stack).resources if r.type.startswith("kubernetes:") and r.type.endswith(stateful)]
    assert objects
    assert [resource.urn for resource in objects if not resource.protect] == []


def test_objects_leave_with_a_cluster_that_is_removed_and_are_deleted_from_one_that_stays(tmp_path: Path) -> None:
    for name in ("Pulumi.yaml", "Pulumi.dgx-spark.yaml", "__main__.py"):
        shutil.copy(ROOT / name, tmp_path)
    for uninstall in (True, False):
        text = (ROOT / "Pulumi.dgx-spark.yaml").read_text()
        (tmp_path / "Pulumi.dgx-spark.yaml").write_text(
            text.replace("kind: k3s\n", f"kind: k3s\n    uninstall: {str(uninstall).lower()}\n")
        )
        result = plan("dgx-spark", tmp_path)
        (k3s,) = of_type(result, "raibid:components:K3s")
        objects = [r for r in result.resources if r.type.startswith("kubernetes:")]
        assert {resource.deleted_with for resource in objects} == {k3s.urn if uninstall else ""}


def test_the_budget_is_proved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    proofs: list[object] = []

    def counted(*args: Any) -> Any:
        proofs.append(args)
        return budget(*args)

    monkeypatch.setattr("components.systems.budget", counted)
    plan("dgx-spark")
    assert len(proofs) == 1


def test_flux_starts_when_there_is_something_to_apply() -> None:
    result = planned("dev")
    (push,) = [resource for resource in result.resources if resource.name == "fleet-push"]
    (instance,) = [resource for resource in result.resources if resource.name == "flux-instance"]
    assert push.urn in instance.depends_on


class KubeconfigUnknown(Providers):
    """Every command's answer is unknown by name, as a first preview has it."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        id_, state = super().new_resource(args)
        return id_, {**state, "stdout": rpc.UNKNOWN} if args.typ.startswith("command:") else state


class KubeconfigKnown(Providers):
    """The machine has answered: the second preview."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        id_, state = super().new_resource(args)
        return id_, {**state, "stdout": "apiVersion: v1"} if args.name == "k3s-kubeconfig" else state


@pytest.mark.parametrize("providers", [KubeconfigUnknown(), KubeconfigKnown()], ids=["unknown", "known"])
def test_the_graph_is_the_same_whether_the_kubeconfig_is_known(providers: Providers) -> None:
    urns = [resource.urn for resource in plan("dgx-spark", providers=providers).resources]
    assert urns == [resource.urn for resource in planned("dgx-spark").resources]


@every_stack
def test_two_runs_of_one_process_plan_the_same(stack: str) -> None:
    assert plan(stack) == planned(stack)


def test_a_plan_asks_neither_network_nor_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a plan must not connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert plan("dgx-spark") == planned("dgx-spark")


def test_a_mistake_in_the_settings_ends_the_plan_before_the_program_runs(tmp_path: Path) -> None:
    for name in ("Pulumi.yaml", "Pulumi.local.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    with (tmp_path / "Pulumi.local.yaml").open("a") as file:
        file.write("  raibid-ci:colour: red\n")
    with pytest.raises(SettingsError, match="colour"):
        plan("local", tmp_path)


@every_stack
def test_no_two_systems_name_a_value_alike(stack: str) -> None:
    settings = load_stack(stack)
    names = [name for system in enabled(settings) for name in system.variables(settings, budget_of(settings))]
    assert sorted(names) == sorted(set(names))


def identity(manifest: dict[str, Any]) -> tuple[str, str, str, str]:
    group = str(manifest["apiVersion"]).rpartition("/")[0]
    metadata = manifest["metadata"]
    return group, manifest["kind"], metadata.get("namespace", ""), metadata["name"]


@pytest.mark.parametrize("stack", ["dev", "dgx-spark"])
def test_every_object_has_one_owner(stack: str) -> None:
    """L1 (Pulumi) and L2 (Flux) never claim the same object; L0's files are in no directory that Flux applies."""
    tree = emission(load_stack(stack))
    bases = ("infrastructure/", "apps/base/")
    files = [data for path, data in tree.files.items() if path.startswith(bases) and path.endswith(".yaml")]
    manifests = [document for data in files for document in yaml.safe_load_all(data)]
    of_flux = {identity(m) for m in manifests if "kustomize.config.k8s.io" not in m["apiVersion"]}
    of_flux |= {("", "Secret", secret.namespace, secret.name) for secret in tree.secrets.values()}
    objects = [dict(manifest) for manifest in planned(stack).objects().values()]
    of_pulumi = {identity(manifest) for manifest in objects}
    assert len(of_pulumi) == len(objects)
    assert of_flux & of_pulumi == set()
    applied = [
        m["spec"]["path"]
        for path, data in tree.files.items()
        if path.startswith("clusters/")
        for m in yaml.safe_load_all(data)
        if "kustomize.toolkit.fluxcd.io" in str(m.get("apiVersion"))
    ]
    assert applied
    assert not [path for path in applied if path.removeprefix("./").startswith("host")]
