"""The policy that holds raibid-rollback to one annotation, evaluated on what it may try and what it does."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel

from components import rollback
from components.manifest_tree import Manifest, SecretManifest
from components.rollback_admission import MESSAGE, REQUEST
from components.settings import load_stack

BEFORE: Manifest = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {
        "name": "apps",
        "namespace": "flux-system",
        "labels": {"a": "b"},
        "annotations": {"kustomize.toolkit.fluxcd.io/prune": "disabled", REQUEST: "before"},
        "finalizers": ["finalizers.fluxcd.io"],
    },
    "spec": {"path": "./apps", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "flux-system"}},
}


def policy() -> dict[str, Any]:
    (items,) = rollback.manifests(load_stack("dgx-spark")).directories.values()
    plain = [item for item in items if not isinstance(item, SecretManifest)]
    (found,) = [item["spec"] for item in plain if item["kind"] == "ValidatingAdmissionPolicy"]
    return dict(found)


def evaluate(expression: str, bound: dict[str, Any]) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(expression)).evaluate(bound)


def refused(after: Manifest, before: Manifest = BEFORE, user: str = rollback.ACCOUNT) -> list[str]:
    """Messages of the validations that a change does not pass."""
    found = policy()
    bound: dict[str, Any] = {
        "object": json_to_cel(dict(after)),
        "oldObject": json_to_cel(dict(before)),
        "request": json_to_cel({"userInfo": {"username": user}}),
        "variables": celpy.celtypes.MapType(),
    }
    if not all(evaluate(condition["expression"], bound) for condition in found["matchConditions"]):
        return []
    for variable in found["variables"]:
        bound["variables"][celpy.celtypes.StringType(variable["name"])] = evaluate(variable["expression"], bound)
    return [check["message"] for check in found["validations"] if not evaluate(check["expression"], bound)]


def changed(*path: str, to: Any) -> Manifest:
    after = deepcopy(dict(BEFORE))
    place: Any = after
    for part in path[:-1]:
        place = place[part]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return after


VIOLATIONS = {
    "another path": changed("spec", "path", to="./elsewhere"),
    "another source": changed("spec", "sourceRef", "name", to="mine"),
    "another account": changed("spec", "serviceAccountName", to="kustomize-controller"),
    "suspended": changed("spec", "suspend", to=True),
    "a label": changed("metadata", "labels", "a", to="c"),
    "no labels": changed("metadata", "labels", to=None),
    "an owner": changed("metadata", "ownerReferences", to=[{"kind": "Pod", "name": "x"}]),
    "no finalizer": changed("metadata", "finalizers", to=None),
    "another annotation": changed("metadata", "annotations", "reconcile.fluxcd.io/forceAt", to="now"),
    "a changed annotation": changed("metadata", "annotations", "kustomize.toolkit.fluxcd.io/prune", to="enabled"),
    "a lost annotation": changed("metadata", "annotations", "kustomize.toolkit.fluxcd.io/prune", to=None),
    "no annotations": changed("metadata", "annotations", to=None),
}


@pytest.mark.parametrize("after", VIOLATIONS.values(), ids=VIOLATIONS)
def test_the_account_changes_nothing_but_what_asks_flux_to_look(after: Manifest) -> None:
    assert refused(after) == [MESSAGE]


@pytest.mark.parametrize("after", VIOLATIONS.values(), ids=VIOLATIONS)
def test_nobody_else_is_held_to_that(after: Manifest) -> None:
    assert refused(after, user="system:serviceaccount:flux-system:kustomize-controller") == []


def test_it_may_ask_again_and_for_the_first_time() -> None:
    asked = changed("metadata", "annotations", REQUEST, to="2026-11-21T12:00:00Z abc")
    plain = changed("metadata", "annotations", to=None)
    assert refused(asked) == []
    assert refused(changed("metadata", "annotations", to={REQUEST: "now"}), plain) == []
    assert refused(BEFORE) == []


def test_every_kind_that_its_role_lets_it_patch_is_covered() -> None:
    (items,) = rollback.manifests(load_stack("dgx-spark")).directories.values()
    roles = [item for item in items if not isinstance(item, SecretManifest) and item["kind"] == "Role"]
    patched = {
        (group, resource)
        for role in roles
        for rule in role["rules"]
        if {"patch", "update"} & set(rule["verbs"])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    covered = {(r["apiGroups"][0], r["resources"][0]) for r in policy()["matchConstraints"]["resourceRules"]}
    assert patched == covered
