"""The chain of Flux Kustomizations: whole, in order, and nothing applied twice."""

from __future__ import annotations

import posixpath
from collections import Counter
from itertools import pairwise

import pytest
import yaml

from components import flux
from components.kustomize.patches import json_patch
from components.settings import load_stack
from components.workload import resources
from tests.flux.rendered import Rendered, pods


def seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def test_the_chain_has_no_circle_and_begins_with_the_namespaces(rendered: Rendered) -> None:
    assert next(iter(rendered.stages)) == "infra-namespaces"  # a circle would have no order to be read in


def test_every_stage_depends_on_stages_that_are_there(rendered: Rendered) -> None:
    for stage in rendered.stages.values():
        assert {on["name"] for on in stage["spec"].get("dependsOn", [])} <= set(rendered.stages)


def test_a_stage_waits_for_the_one_before_it_and_applications_for_the_infrastructure(rendered: Rendered) -> None:
    chain = [name for name in rendered.stages if name != "apps"]
    for before, name in pairwise(chain):
        assert rendered.stages[name]["spec"]["dependsOn"] == [{"name": before}]
    infrastructure = [name for name in chain if name.startswith("infra-")]
    assert rendered.stages["apps"]["spec"]["dependsOn"] == [{"name": infrastructure[-1]}]


def test_every_path_of_a_stage_is_there(rendered: Rendered) -> None:
    for stage in rendered.stages.values():
        assert f"{posixpath.normpath(stage['spec']['path'])}/kustomization.yaml" in rendered.files


def test_no_object_is_applied_by_two_stages(rendered: Rendered) -> None:
    names = Counter(
        (m["apiVersion"].split("/")[0], m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"])
        for m in (item.manifest for item in rendered.applied)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_stage_follows_the_fleet_and_says_how_often_how_long_and_that_it_prunes(rendered: Rendered) -> None:
    for stage in rendered.stages.values():
        spec = stage["spec"]
        assert spec["sourceRef"] == {"kind": "GitRepository", "name": "flux-system"}
        assert spec["prune"] is True
        assert seconds(spec["retryInterval"]) < seconds(spec["interval"])
        assert seconds(spec["timeout"]) < seconds(spec["interval"])
        assert spec["decryption"] == {"provider": "sops", "secretRef": {"name": "sops-age"}}


def test_a_failing_application_is_reported_within_two_minutes(rendered: Rendered) -> None:
    for name in ("raibid", "apps"):
        assert seconds(rendered.stages[name]["spec"]["timeout"]) < 120


def test_every_stage_waits_for_what_it_applied_or_checks_it_by_name(rendered: Rendered) -> None:
    for stage in rendered.stages.values():
        assert stage["spec"]["wait"] or stage["spec"]["healthChecks"]


def test_every_health_check_is_of_an_object_that_its_stage_applies(rendered: Rendered) -> None:
    for name, stage in rendered.stages.items():
        mine = {
            (m["apiVersion"], m["kind"], m["metadata"]["name"], m["metadata"].get("namespace"))
            for m in (item.manifest for item in rendered.applied if item.stage == name)
        }
        for check in stage["spec"].get("healthChecks", []):
            assert (check["apiVersion"], check["kind"], check["name"], check["namespace"]) in mine


def test_a_claim_that_waits_for_its_first_consumer_never_holds_up_a_stage(rendered: Rendered) -> None:
    """kstatus counts an unbound claim as unfinished, and it is bound by the first pod that mounts it."""
    for item in rendered.of_kind("PersistentVolumeClaim"):
        if rendered.stages[item.stage]["spec"]["wait"]:
            name = item.manifest["metadata"]["name"]
            users = [other for other in rendered.of_kind("Deployment") if other.stage == item.stage]
            assert any(f"'claimName': '{name}'" in str(user.manifest) for user in users)


def test_what_one_environment_has_of_the_base_is_listed_once(rendered: Rendered) -> None:
    listed = [
        posixpath.normpath(posixpath.join(directory, resource))
        for stage in rendered.stages.values()
        for directory in [posixpath.normpath(stage["spec"]["path"])]
        for resource in rendered.kustomization(directory)["resources"]
        if resource.startswith("..")
    ]
    assert len(listed) == len(set(listed))
    assert all(f"{path}/kustomization.yaml" in rendered.base for path in listed)


def test_programs_come_a_stage_before_the_objects_of_their_kinds(rendered: Rendered) -> None:
    order = list(rendered.stages)
    installed = {item.manifest["metadata"]["name"]: order.index(item.stage) for item in rendered.of_kind("HelmRelease")}
    needs = {"keda.sh": "keda", "cert-manager.io": "cert-manager", "trust.cert-manager.io": "trust-manager"}
    for item in rendered.applied:
        group = item.manifest["apiVersion"].split("/")[0]
        if group in needs:
            assert installed[needs[group]] < order.index(item.stage), item.path


def test_removing_a_stage_that_holds_data_or_namespaces_leaves_them(rendered: Rendered) -> None:
    for name in ("infra-namespaces", "infra-data"):
        assert rendered.stages[name]["spec"]["deletionPolicy"] == "Orphan"


@pytest.mark.parametrize("kind", ["Namespace", "StatefulSet", "PersistentVolumeClaim", "StorageClass"])
def test_flux_never_prunes_what_holds_data(rendered: Rendered, kind: str) -> None:
    for item in rendered.of_kind(kind):
        annotations = item.manifest["metadata"].get("annotations", {})
        assert annotations["kustomize.toolkit.fluxcd.io/prune"] == "disabled", item.path


def test_the_live_instance_is_in_no_stage(rendered: Rendered) -> None:
    """One object, one owner: Pulumi keeps it; the file is for rebuilding by hand."""
    assert not list(rendered.of_kind("FluxInstance"))
    assert f"clusters/{rendered.environment}/flux-system/flux-instance.yaml" in rendered.files


def test_agents_come_after_the_api_whose_volume_they_mount(rendered: Rendered) -> None:
    """The other way round, a ScaledJob that is not ready would hold back every update of the API."""
    claims = {
        item.manifest["metadata"]["name"]: list(rendered.stages).index(item.stage)
        for item in rendered.of_kind("PersistentVolumeClaim")
    }
    for item in rendered.applied:
        for pod in pods(item.manifest):
            for volume in pod.get("volumes", []):
                if "persistentVolumeClaim" in volume:
                    claim = volume["persistentVolumeClaim"]["claimName"]
                    assert claims[claim] <= list(rendered.stages).index(item.stage), (item.path, claim)


def test_developers_commits_are_applied_with_rights_in_their_own_namespace_only(rendered: Rendered) -> None:
    account = rendered.stages["apps"]["spec"]["serviceAccountName"]
    bindings = [
        item.manifest
        for item in rendered.applied
        if item.manifest["kind"].endswith("RoleBinding")
        and any(s["name"] == account for s in item.manifest.get("subjects", []))
    ]
    assert [(b["kind"], b["metadata"]["namespace"]) for b in bindings] == [("RoleBinding", "apps")]
    role = rendered.one("Role", account)
    assert role["metadata"]["namespace"] == "apps"
    kinds = {kind for rule in role["rules"] for kind in rule["resources"]}
    assert "secrets" in kinds, "none but their own are there"
    borders = {"roles", "rolebindings", "networkpolicies", "resourcequotas", "limitranges", "scaledjobs", "ingresses"}
    assert kinds.isdisjoint({*borders, "*"})


def test_what_is_seeded_for_developers_is_what_they_may_write(rendered: Rendered) -> None:
    seeded = [item for item in rendered.applied if item.stage == "apps"]
    assert {item.manifest["metadata"]["namespace"] for item in seeded} == {"apps"}
    allowed = {kind for rule in rendered.one("Role", "apps-reconciler")["rules"] for kind in rule["resources"]}
    assert {f"{item.manifest['kind'].lower()}s" for item in seeded} <= allowed


def test_only_stages_decrypt_and_the_root_has_nothing_that_is_encrypted(rendered: Rendered) -> None:
    """A default key in the controller's flags would decrypt for any Kustomization that somebody makes."""
    instance = rendered.read(f"clusters/{rendered.environment}/flux-system/flux-instance.yaml")[0]
    assert "sops-age" not in str(instance)
    root = rendered.kustomization(f"clusters/{rendered.environment}")["resources"]
    kinds = {item["kind"] for name in root for item in rendered.read(f"clusters/{rendered.environment}/{name}")}
    assert kinds == {"ConfigMap", "Kustomization"}


def test_developers_files_ask_for_no_values_of_the_cluster(rendered: Rendered) -> None:
    assert "postBuild" not in rendered.stages["apps"]["spec"]


def test_every_flux_controller_gets_the_resources_that_the_budget_counts(rendered: Rendered) -> None:
    spec = rendered.read(f"clusters/{rendered.environment}/flux-system/flux-instance.yaml")[0]["spec"]
    counted = {w.name: resources(w) for w in flux.footprint(rendered.settings).workloads if w.name != flux.OPERATOR}
    patched = {patch["target"]["name"]: yaml.safe_load(patch["patch"]) for patch in spec["kustomize"]["patches"]}
    assert list(patched) == spec["components"]
    assert {name: operations[0]["value"] for name, operations in patched.items()} == counted


def test_every_patch_of_flux_fits_the_deployments_that_flux_ships() -> None:
    """A patch beside its target renders nothing; applied to a controller as it is shipped it must show."""
    shipped = {"spec": {"template": {"spec": {"containers": [{"args": ["--watch-all-namespaces"], "resources": {}}]}}}}
    for patch in flux.flux_instance(load_stack("dgx-spark"))["spec"]["kustomize"]["patches"]:
        operations = yaml.safe_load(patch["patch"])
        container = json_patch(shipped, operations)["spec"]["template"]["spec"]["containers"][0]
        assert container["resources"] == operations[0]["value"]
        assert container["args"][1:] == [operation["value"] for operation in operations[1:]]
