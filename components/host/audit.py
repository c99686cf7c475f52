"""What the API server writes down: who changed what, without anybody's secrets.

Owns: the audit policy.
Leaves to others: where the log lies and how long (`host.config`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")


def _rule(level: str, **more: Any) -> Mapping[str, Any]:
    return {"level": level, **more}


def _resources(group: str, *names: str) -> Mapping[str, Any]:
    return {"group": group, **({"resources": list(names)} if names else {})}


_RULES: Final[Sequence[Mapping[str, Any]]] = (
    # First match wins. Chatter of the machinery itself, several times a second.
    _rule("None", resources=[_resources("coordination.k8s.io", "leases"), _resources("", "events", "endpoints")]),
    _rule("None", nonResourceURLs=["/healthz*", "/livez*", "/readyz*", "/metrics", "/version", "/openapi/*"]),
    _rule("None", verbs=["get", "list", "watch"], userGroups=["system:nodes"]),
    # Never their bodies: a log is read by more people than a Secret.
    _rule(
        "Metadata",
        resources=[
            _resources("", "secrets", "configmaps", "serviceaccounts/token"),
            _resources("authentication.k8s.io", "tokenreviews"),
        ],
    ),
    # A shell in a pod, a forwarded port: who, where, when.
    _rule("Metadata", resources=[_resources("", "pods/exec", "pods/attach", "pods/portforward", "pods/proxy")]),
    # What the pool is: GitOps objects, scaling, rights, admission; with bodies, so that a change can be reconstructed.
    _rule(
        "RequestResponse",
        verbs=list(_WRITES),
        resources=[
            _resources("kustomize.toolkit.fluxcd.io"),
            _resources("source.toolkit.fluxcd.io"),
            _resources("helm.toolkit.fluxcd.io"),
            _resources("keda.sh"),
            _resources("rbac.authorization.k8s.io"),
            _resources("admissionregistration.k8s.io"),
        ],
    ),
    _rule("Metadata", verbs=list(_WRITES)),
    _rule("None"),
)

AUDIT_POLICY: Final[Mapping[str, Any]] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": list(_RULES),
}
"""audit.k8s.io/v1 Policy of the API server."""
