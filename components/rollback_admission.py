"""What raibid-rollback may change of Flux's objects: the one annotation by which it asks Flux to look again.

RBAC knows no smaller right than `patch`, and whoever may patch a Kustomization may point it anywhere and have Flux
apply it with all of Flux's rights. The API server's own CEL holds the account to what it needs.

Owns: the policy and its binding.
Leaves to others: the account and its Role (`rollback`), policies about what anybody may apply (`admission`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from components.manifest_tree import Manifest
from components.workload import metadata

REQUEST: Final = "reconcile.fluxcd.io/requestedAt"
MESSAGE: Final = f"this account may change nothing but the annotation {REQUEST}"
_KEPT: Final = ("labels", "finalizers", "ownerReferences")
_VERSION: Final = "admissionregistration.k8s.io/v1"


def policy(name: str, system: str, user: str) -> Iterator[Manifest]:
    """The policy and its binding. `user`: as the API server names the account."""
    yield {
        "apiVersion": _VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(name, None, system),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    _updates("kustomize.toolkit.fluxcd.io", "kustomizations"),
                    _updates("source.toolkit.fluxcd.io", "gitrepositories"),
                ]
            },
            "matchConditions": [{"name": "the-account", "expression": f"request.userInfo.username == '{user}'"}],
            "variables": [
                {"name": "now", "expression": _annotations("object")},
                {"name": "before", "expression": _annotations("oldObject")},
            ],
            "validations": [{"expression": _expression(), "message": MESSAGE, "reason": "Forbidden"}],
        },
    }
    yield {
        "apiVersion": _VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata(name, None, system),
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }


def _updates(group: str, plural: str) -> Manifest:
    return {"apiGroups": [group], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": [plural]}


def _annotations(of: str) -> str:
    return f"has({of}.metadata.annotations) ? {of}.metadata.annotations : {{}}"


def _expression() -> str:
    kept = " && ".join(_same(f"metadata.{field}") for field in _KEPT)
    return f"""\
object.spec == oldObject.spec && {kept}
  && variables.now.all(k, k == '{REQUEST}' || (k in variables.before && variables.before[k] == variables.now[k]))
  && variables.before.all(k, k == '{REQUEST}' || k in variables.now)
"""


def _same(field: str) -> str:
    now, before = f"object.{field}", f"oldObject.{field}"
    return f"has({now}) == has({before}) && (!has({now}) || {now} == {before})"
