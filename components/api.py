"""raibid-api: takes webhooks, answers people and agents, repairs and archives the queue.

Owns: its Deployment, its Service, its tokens and webhook secret, the volume with archive and artifacts.
Leaves to others: what it does (`raibid.api`), the image (`agent_image`), the webhook at the forge (`gitea`), which
repositories are built (the enrolment file, which belongs to operators).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import STREAM, AclUser, Env, Secrets

from components import gitea_config, priority, redis
from components.agent_pod import STORE, STORE_CLAIM, USER
from components.budget import Budget, Footprint, Workload
from components.manifest_tree import Derive, Manifest, SecretManifest, Tree, emit
from components.network import DNS, INTERNET, from_peers, network_policy, pods, to_peers
from components.settings import Settings
from components.units import GI, MI, size_text
from components.workload import (
    CONFIG,
    CONTAINER_SECURITY,
    ROTATION,
    as_text,
    config_map,
    disruption_budget,
    fingerprint,
    generations,
    labels,
    metadata,
    pod_security,
    resources,
    service,
    service_account,
    volume_claim,
)

NAME: Final = "raibid-api"
FLOWS: Final = (("redis", "enqueue, read"), ("gitea", "commit status"))
"""Whom it talks to, and about what: `components graph` draws it."""
NAMESPACE: Final = "ci"
DIRECTORY: Final = "apps/base/raibid-api"
IMAGE: Final = "raibid-api"
"""Stands for the image that `clusters/<env>` names: repository, tag or digest."""
PORT: Final = 8460
URL: Final = f"http://raibid-api.ci.svc.cluster.local:{PORT}"
"""Where pods reach it; where people do is the stack's `publicUrl`."""
ENROLMENT: Final = "raibid-enrolment"
"""ConfigMap with the operators' file; seeded once as `clusters/<env>/apps/enrolment.yaml`."""
MIRRORS: Final = "raibid-mirrors"
"""ConfigMap with the operators' other file; seeded once as `clusters/<env>/apps/mirrors.yaml`."""
_SECRETS: Final = "/run/secrets/raibid"
_REDIS_SECRET: Final = "/run/secrets/redis"  # noqa: S105
_FORGE_SECRET: Final = "/run/secrets/forge"  # noqa: S105
_OPERATOR_SECRET: Final = "/run/secrets/operator"  # noqa: S105
_MIRROR_TOKENS: Final = "/run/secrets/mirror-tokens"
_CONFIG: Final = "/etc/raibid"
_MIRRORS: Final = "/etc/raibid-mirrors"

WEBHOOK_LABEL: Final = "api/webhook"
READ_LABEL: Final = "api/read-token"
WRITE_LABEL: Final = "api/write-token"
STATUS_USER: Final = "ci-status"
"""Reports at the stack's own Gitea, and keeps its mirrors: `gitea_setup` makes it and lets it."""
STATUS_LABEL: Final = "gitea/status"

_TMP: Final = GI
"""What the pod may write to /tmp before the kubelet evicts it."""
_MIRROR_ROOM: Final = 600_000_000
"""Bytes of that for git: one bundle at a time, and four looks at a tenth of it (`raibid.mirror.rooms`). Git has the
API's memory, too, which is why this is not more."""


def footprint(settings: Settings) -> Footprint:
    """One process; its volume holds every job's record, log and artifacts: a twentieth of the disk, at most 50 GiB."""
    disk = min(50 * GI, settings.nodes[0].disk // 20 // GI * GI)
    return Footprint(NAME, (Workload(name=NAME, namespace=NAMESPACE, cpu=250, memory=512 * MI, disk=disk),))


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(
        NAME,
        {
            DIRECTORY: [
                _deployment(footprint(settings).of(NAME)),
                service(NAME, NAMESPACE, NAME, {"http": PORT}, component=NAME),
                config_map(NAME, NAMESPACE, NAME, _environment()),
                # The API asks nothing of Kubernetes, so there is no Role: the least privilege is none.
                service_account(NAME, NAMESPACE, NAME),
                volume_claim(STORE_CLAIM, NAMESPACE, NAME, "${raibid_api_disk}"),
                disruption_budget(NAME, NAMESPACE, NAME),
                _network_policy(),
                SecretManifest(NAMESPACE, Secrets.API, _tokens),
                SecretManifest(NAMESPACE, Secrets.API_FORGE, _forge_credentials),
                SecretManifest(NAMESPACE, Secrets.REDIS_API, redis.credentials(AclUser.API)),
            ]
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    secrets = (WEBHOOK_LABEL, READ_LABEL, WRITE_LABEL, STATUS_LABEL, redis.password_label(AclUser.API))
    return {
        "raibid_api_disk": size_text(footprint(settings).of(NAME).disk),
        "raibid_api_rotation": generations(settings, *secrets),
        "raibid_api_public_url": as_text(settings.public_url),
        "raibid_api_github_url": as_text(settings.github_url),
    }


def enrolment(settings: Settings) -> Manifest:
    """What is built of which repository, as it is seeded: everything whose webhook is signed, but for the fleet, which
    Flux applies: the organisation's hook tells of its pushes too.
    """
    fleet = f"{settings.gitea.organisation}/{settings.fleet.name}"
    text = f'default: {{}}\nrepositories:\n  {fleet}: {{branches: {{exclude: ["**"]}}}}\n'
    return config_map(ENROLMENT, NAMESPACE, NAME, {"enrolment.yaml": text})


def _environment() -> Mapping[str, str]:
    return {
        Env.REDIS_URL: f"redis://{redis.ADDRESS}/0",
        Env.REDIS_USERNAME: AclUser.API,
        Env.REDIS_PASSWORD_FILE: f"{_REDIS_SECRET}/password",
        Env.STREAM: STREAM,
        Env.STORE: f"file://{STORE}",
        Env.WEBHOOK_SECRETS_FILE: f"{_SECRETS}/webhook-secrets",
        Env.READ_TOKENS_FILE: f"{_SECRETS}/read-tokens",
        Env.WRITE_TOKENS_FILE: f"{_SECRETS}/write-tokens",
        Env.ENROLMENT_FILE: f"{_CONFIG}/enrolment.yaml",
        Env.FORGE_CREDENTIALS_FILE: _FORGE_SECRET,
        Env.NOTIFY_FILE: f"{_OPERATOR_SECRET}/notify",
        Env.MIRRORS_FILE: f"{_MIRRORS}/mirrors.yaml",
        Env.MIRROR_TOKENS_DIR: _MIRROR_TOKENS,
        Env.MIRROR_SCRATCH_BYTES: str(_MIRROR_ROOM),
        # Not the host of clone URLs: that one is the node, which no NetworkPolicy names.
        Env.GITEA_URL: gitea_config.INSIDE,
    }


def _deployment(workload: Workload) -> Manifest:
    container = {
        "name": "api",
        "image": IMAGE,
        "args": ["api", "--host", "0.0.0.0", "--port", str(PORT)],  # noqa: S104  (the pod's own addresses)
        "envFrom": [{"configMapRef": {"name": NAME}}],
        # Here and not in the ConfigMap: with another value the API starts anew.
        "env": [
            {"name": Env.WINDOW, "value": "${ci_agent_max_text}"},
            {"name": Env.PUBLIC_URL, "value": "${raibid_api_public_url}"},
            {"name": Env.GITHUB_URL, "value": "${raibid_api_github_url}"},
        ],
        "ports": [{"name": "http", "containerPort": PORT}],
        "resources": resources(workload),
        "securityContext": dict(CONTAINER_SECURITY),
        # The first start reads the store's index; from then on a process that does not answer is started again.
        "startupProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 2, "failureThreshold": 30},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 3},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5, "timeoutSeconds": 3},
        "volumeMounts": [
            {"name": "store", "mountPath": STORE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (the pod's own)
            {"name": "tokens", "mountPath": _SECRETS, "readOnly": True},
            {"name": "redis", "mountPath": _REDIS_SECRET, "readOnly": True},
            {"name": "forge", "mountPath": _FORGE_SECRET, "readOnly": True},
            {"name": "operator", "mountPath": _OPERATOR_SECRET, "readOnly": True},
            {"name": "mirror-tokens", "mountPath": _MIRROR_TOKENS, "readOnly": True},
            {"name": "enrolment", "mountPath": _CONFIG, "readOnly": True},
            {"name": "mirrors", "mountPath": _MIRRORS, "readOnly": True},
        ],
    }
    selector = labels(NAME, NAME)
    annotations = {CONFIG: fingerprint(_environment()), ROTATION: "${raibid_api_rotation}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(NAME, NAMESPACE, NAME),
        "spec": {
            "replicas": workload.replicas,
            # Two at once would both archive; the queue and Gitea's own retries bridge the seconds in between.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": selector, "annotations": annotations},
                "spec": {
                    "serviceAccountName": NAME,
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "priorityClassName": priority.SERVICES,
                    "securityContext": pod_security(USER),
                    "containers": [container],
                    "volumes": _volumes(),
                },
            },
        },
    }


def _volumes() -> list[Manifest]:
    return [
        {"name": "store", "persistentVolumeClaim": {"claimName": STORE_CLAIM}},
        {"name": "tmp", "emptyDir": {"sizeLimit": size_text(_TMP)}},
        {"name": "tokens", "secret": {"secretName": Secrets.API, "defaultMode": 0o440}},
        {"name": "redis", "secret": {"secretName": Secrets.REDIS_API, "defaultMode": 0o440}},
        *mirrors_volumes(Secrets.API_FORGE),
        {"name": "operator", "secret": {"secretName": Secrets.FORGES, "defaultMode": 0o440, "optional": True}},
        {"name": "enrolment", "configMap": {"name": ENROLMENT}},
    ]


def mirrors_volumes(gitea: str) -> list[Manifest]:
    """Volumes `forge` (a login at the stack's own Gitea, and what operators have for others), `mirrors` and
    `mirror-tokens`: what mirrors take, here and in the CronJob that makes them.
    """
    sources = (("gitea", {"name": gitea}), ("others", {"name": Secrets.FORGES, "optional": True}))
    files = [{"secret": {**secret, "items": [{"key": "credentials", "path": path}]}} for path, secret in sources]
    tokens = {"secretName": Secrets.MIRROR_TOKENS, "defaultMode": 0o440, "optional": True}
    return [
        {"name": "forge", "projected": {"defaultMode": 0o440, "sources": files}},
        {"name": "mirrors", "configMap": {"name": MIRRORS, "optional": True}},
        {"name": "mirror-tokens", "secret": tokens},
    ]


def _network_policy() -> Manifest:
    callers = (pods("infrastructure", "gitea"), pods(NAMESPACE), pods("monitoring"))
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        ingress=(from_peers(*callers, ports=(PORT,)),),
        egress=(
            DNS,
            to_peers(pods(redis.NAMESPACE, "redis"), ports=(redis.PORT,)),
            to_peers(pods("infrastructure", "gitea"), ports=(gitea_config.HTTP_PORT,)),
            # GitHub, mirrors' sources, notifications.
            to_peers(INTERNET, ports=(443,)),
        ),
    )


def _tokens(derive: Derive) -> Mapping[str, str]:
    return {
        "webhook-secrets": f"{derive(WEBHOOK_LABEL)}\n",
        "read-tokens": f"{derive(READ_LABEL)}\n",
        "write-tokens": f"{derive(WRITE_LABEL)}\n",
    }


def _forge_credentials(derive: Derive) -> Mapping[str, str]:
    # For the address that the API asks (Env.GITEA_URL), not for the one of clone URLs.
    return {"credentials": gitea_config.INSIDE.replace("://", f"://{STATUS_USER}:{derive(STATUS_LABEL)}@") + "\n"}


@dataclass(frozen=True, kw_only=True)
class ApiArgs:
    """What the component needs."""

    settings: Settings


class Api(ComponentResource):
    """The API in the stack's graph: Flux owns its objects, the stack shows which of its files change."""

    def __init__(self, name: str, args: ApiArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Api", name, {"files": files}, opts)
        self.register_outputs({"url": URL})
