"""Every name in the repository leads somewhere (spec/gitops.md, section 6)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from graphlib import TopologicalSorter

from components.kustomize.applied import variables
from components.kustomize.build import placeholders
from components.manifest_tree import SUBSTITUTE_OFF, Manifest
from tests.contract.cluster import LIVE_SECRETS, Cluster, identity, walk

ROOT_SOURCE = ("flux-system", "GitRepository", "flux-system")
"""The operator makes it of the FluxInstance."""


def secrets_of(cluster: Cluster) -> set[tuple[str, str]]:
    made = {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in cluster.of_kind("Secret")}
    issued = {
        (c["metadata"]["namespace"], c["spec"]["secretName"]) for c in cluster.of_kind("Certificate", "cert-manager.io")
    }
    return made | issued | LIVE_SECRETS


def named_secrets(manifest: Manifest) -> set[str]:
    """Secrets that an object reads: by reference, as a volume, as a variable, as a trigger's parameter."""
    found = set()
    for path, value in walk(manifest.get("spec")):
        leaf = path.rpartition(".")[2].partition("[")[0]
        if leaf in ("secretRef", "secretKeyRef") and isinstance(value, dict) and not value.get("optional"):
            found.add(value["name"])
        elif leaf == "secret" and isinstance(value, dict) and "secretName" in value and not value.get("optional"):
            found.add(value["secretName"])
        elif leaf == "secret" and ".sources[" in path and isinstance(value, dict) and not value.get("optional"):
            found.add(value["name"])
        elif leaf == "secretTargetRef" and isinstance(value, list):
            found |= {item["name"] for item in value}
        elif leaf == "existingSecret":
            found.add(value)
    return found


def test_every_secret_that_is_read_is_made_by_somebody(cluster: Cluster) -> None:
    known = secrets_of(cluster)
    for item in cluster.objects:
        space = item.manifest["metadata"].get("namespace", "")
        missing = {name for name in named_secrets(item.manifest) if (space, name) not in known}
        assert not missing, f"{item.path}: {identity(item.manifest)}"


def test_every_config_map_that_is_mounted_is_there(cluster: Cluster) -> None:
    known = {(c["metadata"]["namespace"], c["metadata"]["name"]) for c in cluster.of_kind("ConfigMap")}
    for item in cluster.objects:
        space = item.manifest["metadata"].get("namespace", "")
        for path, value in walk(item.manifest.get("spec")):
            leaf = path.rpartition(".")[2].partition("[")[0]
            if leaf in ("configMap", "configMapRef", "configMapKeyRef") and isinstance(value, dict):
                if value.get("optional") or "name" not in value:
                    continue  # trust-manager's Bundles name only a key
                assert (space, value["name"]) in known, f"{item.path}: {path}"


def test_every_path_of_a_stage_is_a_directory_of_the_tree(cluster: Cluster) -> None:
    for name, stage in cluster.stages().items():
        path = posixpath.normpath(stage["spec"]["path"])
        assert f"{path}/kustomization.yaml" in cluster.files, name


def test_no_two_stages_overlap(cluster: Cluster) -> None:
    """Two Kustomizations on one directory undo and prune each other's objects."""
    paths = [posixpath.normpath(stage["spec"]["path"]) + "/" for stage in cluster.stages().values()]
    paths.append(f"clusters/{cluster.settings.environment}/flux-system/")
    for one in paths:
        assert [other for other in paths if other.startswith(one)] == [one]


def test_every_object_is_applied_once(cluster: Cluster) -> None:
    names = [(item.manifest["apiVersion"].partition("/")[0], identity(item.manifest)) for item in cluster.objects]
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}


def test_stages_depend_on_stages_that_exist_and_in_no_circle(cluster: Cluster) -> None:
    stages = cluster.stages()
    graph = {name: {d["name"] for d in s["spec"].get("dependsOn", ())} for name, s in stages.items()}
    assert {name for needed in graph.values() for name in needed} <= stages.keys()
    assert len(list(TopologicalSorter(graph).static_order())) == len(stages)


def test_every_source_that_is_referred_to_is_there(cluster: Cluster) -> None:
    known = {
        (item.manifest["metadata"].get("namespace", ""), item.manifest["kind"], item.manifest["metadata"]["name"])
        for item in cluster.objects
    } | {ROOT_SOURCE}
    for item in cluster.objects:
        space = item.manifest["metadata"].get("namespace", "")
        for path, value in walk(item.manifest.get("spec")):
            if path.endswith(("sourceRef", "chartRef")) and isinstance(value, dict):
                assert (value.get("namespace", space), value["kind"], value["name"]) in known, f"{item.path}: {path}"


def test_every_substitution_reads_a_config_map_of_the_tree_and_every_variable_is_defined(cluster: Cluster) -> None:
    """Building the fixture has already substituted them all; this says which stage would have failed."""
    root = [item.manifest for item in cluster.objects if item.stage == "flux-system"]
    for name, stage in cluster.stages().items():
        values = variables(stage, root) or {}
        left = {v for item in cluster.objects if item.stage == name for v in _asked(item.manifest)}
        assert left <= values.keys(), name


def test_every_variable_of_the_environment_is_used(cluster: Cluster) -> None:
    (values,) = (c["data"] for c in cluster.of_kind("ConfigMap") if c["metadata"]["name"] == "cluster-vars")
    used = set()
    for path, data in cluster.files.items():
        if path.startswith(("infrastructure/", "apps/")):
            used |= set(re.findall(r"\$\{(\w+)", data.decode()))
    for secret in cluster.emission.secrets.values():
        used |= set(placeholders(secret.manifest(str)))  # Flux decrypts first, then substitutes
    assert set(values) <= used, set(values) - used


def _asked(manifest: Manifest) -> set[str]:
    annotations: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
    return set() if SUBSTITUTE_OFF.items() <= annotations.items() else set(placeholders(manifest))


def test_every_service_selects_pods_of_the_tree(cluster: Cluster) -> None:
    pods = [
        (item.manifest["metadata"].get("namespace"), item.manifest["spec"]["template"]["metadata"]["labels"])
        for item in cluster.objects
        if item.manifest["kind"] in ("Deployment", "StatefulSet", "DaemonSet")
    ]
    for service in cluster.of_kind("Service"):
        if selector := service["spec"].get("selector"):
            hits = [labels for space, labels in pods if space == service["metadata"]["namespace"]]
            assert any(selector.items() <= labels.items() for labels in hits), identity(service)


def test_every_service_account_that_is_used_is_there(cluster: Cluster) -> None:
    known = {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in cluster.of_kind("ServiceAccount")}
    for item in cluster.objects:
        for path, value in walk(item.manifest.get("spec")):
            if path.endswith("serviceAccountName") and isinstance(value, str) and value != "default":
                assert (item.manifest["metadata"]["namespace"], value) in known, f"{item.path}: {path}"
