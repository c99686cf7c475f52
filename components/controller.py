"""raibid-controller: tells the ledger how agents' pods ended and why they cannot start; without KEDA it starts them.

Apart from the API, which reads what strangers send and therefore has no right in Kubernetes at all.

Owns: its Deployment, its account and the rights that it needs with either scaler, its Redis password.
Leaves to others: what it does (`raibid.controller`), the right to make Jobs (`job_template`), the image, which is the
API's (`agent_image`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import STREAM, AclUser, Env, Secrets

from components import priority, redis
from components.agent_pod import NAMESPACE, USER
from components.api import IMAGE
from components.budget import Budget, Footprint, Workload
from components.manifest_tree import Manifest, SecretManifest, Tree, emit
from components.network import API_SERVER, DNS, network_policy, pods, to_peers
from components.settings import Settings
from components.units import MI
from components.workload import (
    CONFIG,
    CONTAINER_SECURITY,
    ROTATION,
    config_map,
    disruption_budget,
    fingerprint,
    generations,
    labels,
    metadata,
    pod_security,
    resources,
    role,
    role_binding,
    rule,
    service_account,
)

NAME: Final = "raibid-controller"
FLOWS: Final = (
    ("redis", "how pods ended"),
    ("ci-agent", "watches"),
    ("job-template", "makes Jobs of"),
)
"""Whom it talks to, and about what: `components graph` draws it."""
DIRECTORY: Final = "apps/base/raibid-controller"
_REDIS_SECRET: Final = "/run/secrets/redis"  # noqa: S105  (a path)


def footprint(settings: Settings) -> Footprint:
    """One process that waits for news, of Kubernetes by a watch, of the queue by a blocking read: 56 MiB when idle."""
    return Footprint(NAME, (Workload(name=NAME, namespace=NAMESPACE, cpu=50, memory=128 * MI),))


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(
        NAME,
        {
            DIRECTORY: [
                _deployment(footprint(settings).of(NAME)),
                config_map(NAME, NAMESPACE, NAME, _environment()),
                service_account(NAME, NAMESPACE, NAME),
                _rights(),
                role_binding(NAME, NAMESPACE, NAME, account=NAME),
                disruption_budget(NAME, NAMESPACE, NAME),
                _network_policy(),
                SecretManifest(NAMESPACE, Secrets.REDIS_CONTROLLER, redis.credentials(AclUser.CONTROLLER)),
            ]
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {
        "raibid_controller_scaler": settings.scaler,
        "raibid_controller_rotation": generations(settings, redis.password_label(AclUser.CONTROLLER)),
    }


def _environment() -> Mapping[str, str]:
    return {
        Env.REDIS_URL: f"redis://{redis.ADDRESS}/0",
        Env.REDIS_USERNAME: AclUser.CONTROLLER,
        Env.REDIS_PASSWORD_FILE: f"{_REDIS_SECRET}/password",
        Env.STREAM: STREAM,
        Env.NAMESPACE: NAMESPACE,
    }


def _rights() -> Manifest:
    # To look, and nothing else: what it may change with scaler direct comes with the template (`job_template`).
    return role(
        NAME,
        NAMESPACE,
        NAME,
        rule("", ["pods"], ["get", "list", "watch"]),
        rule("", ["events"], ["list"]),
        rule("batch", ["jobs"], ["list"]),
    )


def _deployment(workload: Workload) -> Manifest:
    container = {
        "name": "controller",
        "image": IMAGE,
        "args": ["controller", "--scaler", "${raibid_controller_scaler}"],
        "envFrom": [{"configMapRef": {"name": NAME}}],
        "resources": resources(workload),
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [{"name": "redis", "mountPath": _REDIS_SECRET, "readOnly": True}],
    }
    selector = labels(NAME, NAME)
    annotations = {CONFIG: fingerprint(_environment()), ROTATION: "${raibid_controller_rotation}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(NAME, NAMESPACE, NAME),
        "spec": {
            "replicas": workload.replicas,
            # Two at once would do no harm (docs/controller.md), but ask Redis and Kubernetes everything twice.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 3,
            # It has no probe, for nobody calls it, and what went wrong unforeseen ends it: so one that ends right after
            # its start must not count as well.
            "minReadySeconds": 10,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": selector, "annotations": annotations},
                "spec": {
                    "serviceAccountName": NAME,
                    # The one pod of this namespace that talks to the API server.
                    "automountServiceAccountToken": True,
                    "enableServiceLinks": False,
                    "priorityClassName": priority.SERVICES,
                    "securityContext": pod_security(USER),
                    "containers": [container],
                    "volumes": [
                        {"name": "redis", "secret": {"secretName": Secrets.REDIS_CONTROLLER, "defaultMode": 0o440}}
                    ],
                },
            },
        },
    }


def _network_policy() -> Manifest:
    # Nobody calls it.
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        ingress=(),
        egress=(DNS, API_SERVER, to_peers(pods(redis.NAMESPACE, "redis"), ports=(redis.PORT,))),
    )


@dataclass(frozen=True, kw_only=True)
class ControllerArgs:
    """What the component needs."""

    settings: Settings


class Controller(ComponentResource):
    """The controller in the stack's graph: Flux owns its objects, the stack shows which of its files change."""

    def __init__(self, name: str, args: ControllerArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Controller", name, {"files": files}, opts)
        self.register_outputs({})
