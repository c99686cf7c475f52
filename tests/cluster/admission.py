"""When the API server has read its admission policies: it does so within a second or two of their creation.

Owns: a canary that is refused only once every policy made before it is in force.
Leaves to others: the policies (`components.admission`), their counter-examples (tests).
"""

from __future__ import annotations

import uuid
from typing import Final

from tests.cluster.tree.api import Api, Manifest
from tests.waiting import until

_VERSION: Final = "admissionregistration.k8s.io/v1"
_NAME: Final = "canary"


def policies_in_force(api: Api) -> None:
    """Return when the policies and bindings that exist now are enforced.

    The API server reads each of the two kinds in the order of its changes, so the canary's refusal, whose words are
    new each time, tells of everything before it.
    """
    words = f"the canary {uuid.uuid4().hex} sings"
    for manifest in (_policy(words), _binding()):
        answer = api.apply(manifest)
        assert answer.accepted, answer.said
    until(lambda: words in api.create(_bird(), dry_run=True).said, "the policies are in force")


def _policy(words: str) -> Manifest:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    return {
        "apiVersion": _VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": _NAME},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "the-canary", "expression": f"object.metadata.name == '{_NAME}'"}],
            "validations": [{"expression": "false", "message": words}],
        },
    }


def _binding() -> Manifest:
    return {
        "apiVersion": _VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": _NAME},
        "spec": {"policyName": _NAME, "validationActions": ["Deny"]},
    }


def _bird() -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _NAME, "namespace": "default"}}
