"""The shapes that several systems share: labels, hardened pods, StatefulSets on kept storage.

Owns: one spelling of security contexts, resources and labels.
Leaves to others: what is particular to a system (its own file), who may talk to whom (`network`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.budget import Workload
from components.manifest_tree import Manifest
from components.settings import Settings
from components.units import cores_text, size_text

RETAIN_CLASS: Final = "local-path-retain"
"""StorageClass of everything that must survive its claim: k3s' own deletes the data with it."""


_RBAC: Final = "rbac.authorization.k8s.io"
ROTATION: Final = "raibid.dev/rotation"
"""Annotation of a pod template: the generations of the secrets it reads at its start."""
CONFIG: Final = "raibid.dev/config"
"""Annotation of a pod template: which bytes of its ConfigMap it reads at its start."""


def labels(system: str, component: str = "") -> dict[str, str]:
    """Recommended labels of an object of `system`."""
    return {
        "app.kubernetes.io/name": system,
        "app.kubernetes.io/part-of": "raibid",
        **({"app.kubernetes.io/component": component} if component else {}),
    }


def generations(settings: Settings, *secret_labels: str) -> str:
    """Value of a `ROTATION` annotation: "g0-0"; with a letter in front, as an annotation must not be a number."""
    return "g" + "-".join(str(settings.rotation.get(label, 0)) for label in secret_labels)


def as_text(value: int | str) -> str:
    """A value for a field that must be text, such as an annotation: Flux substitutes in YAML, where bare digits would
    be a number again and an empty text nothing, which the API server refuses.
    """
    return f'"{value}"'


def fingerprint(files: Mapping[str, str]) -> str:
    """Value of a `CONFIG` annotation."""
    text = "".join(f"{len(name)} {name} {len(body)} {body}" for name, body in sorted(files.items()))
    return f"sha256-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def metadata(name: str, namespace: str | None, system: str, **annotations: str) -> dict[str, Any]:
    """Name, namespace, labels; annotations as keywords with their full names in a `**{...}`."""
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        "labels": labels(system),
        **({"annotations": annotations} if annotations else {}),
    }


def resources(workload: Workload) -> dict[str, Any]:
    """Requests and limits of one replica: memory is never over-committed, CPU is limited only where it is said."""
    limits = {"memory": size_text(workload.memory_limit or workload.memory)}
    if workload.cpu_limit:
        limits = {"cpu": cores_text(workload.cpu_limit), **limits}
    return {"requests": {"cpu": cores_text(workload.cpu), "memory": size_text(workload.memory)}, "limits": limits}


def pod_security(user: int) -> dict[str, Any]:
    """Pod-level: a numbered user, its group on volumes, the runtime's seccomp profile."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


CONTAINER_SECURITY: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def stateful_set(
    workload: Workload,
    *,
    system: str,
    user: int,
    containers: Sequence[Manifest],
    volumes: Sequence[Manifest],
    disk: str,
    priority: str = "",
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """One replica on a volume of its own (`data`) that outlives the set; Flux never prunes it.

    `annotations` of the pod: what changes with its files, and so starts it anew.
    """
    selector = labels(system, workload.name)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(
            workload.name, workload.namespace, system, **{"kustomize.toolkit.fluxcd.io/prune": "disabled"}
        ),
        "spec": {
            "serviceName": workload.name,
            "replicas": workload.replicas,
            "selector": {"matchLabels": selector},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "template": {
                "metadata": {"labels": selector, **({"annotations": dict(annotations)} if annotations else {})},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    **({"priorityClassName": priority} if priority else {}),
                    "securityContext": pod_security(user),
                    "containers": list(containers),
                    "volumes": list(volumes),
                },
            },
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": RETAIN_CLASS,
                        "resources": {"requests": {"storage": disk}},
                    },
                }
            ],
        },
    }


def service(name: str, namespace: str, system: str, ports: Mapping[str, int], *, component: str = "") -> Manifest:
    """A ClusterIP Service; `ports`: name → port, the same name being the container's port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, system),
        "spec": {
            "selector": labels(system, component or name),
            "ports": [{"name": port, "port": number, "targetPort": port} for port, number in ports.items()],
        },
    }


def service_account(name: str, namespace: str, system: str) -> Manifest:
    """A ServiceAccount whose token no pod gets by itself."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(name, namespace, system),
        "automountServiceAccountToken": False,
    }


def role(name: str, namespace: str, system: str, *rules: Manifest) -> Manifest:
    """A Role."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": metadata(name, namespace, system),
        "rules": list(rules),
    }


def rule(group: str, kinds: Sequence[str], verbs: Sequence[str], *, names: Sequence[str] = ()) -> Manifest:
    """A rule of a Role; with `names` it holds for those objects only."""
    only = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": list(kinds), "verbs": list(verbs), **only}


def role_binding(name: str, namespace: str, system: str, *, account: str, account_namespace: str = "") -> Manifest:
    """The Role of that name for a ServiceAccount, by default of the same namespace."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata(name, namespace, system),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": account_namespace or namespace}],
    }


def disruption_budget(name: str, namespace: str, system: str) -> Manifest:
    """Of a Deployment with one replica."""
    # maxUnavailable, not minAvailable: with one replica the latter would block every drain of its node for ever.
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, namespace, system),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(system, name)}},
    }


def volume_claim(name: str, namespace: str, system: str, size: str) -> Manifest:
    """A volume that outlives its claim; Flux never prunes either."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(name, namespace, system, **{"kustomize.toolkit.fluxcd.io/prune": "disabled"}),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": RETAIN_CLASS,
            "resources": {"requests": {"storage": size}},
        },
    }


def config_map(name: str, namespace: str, system: str, data: Mapping[str, str], **annotations: str) -> Manifest:
    """A ConfigMap of files."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, namespace, system, **annotations),
        "data": dict(data),
    }
