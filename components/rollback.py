"""raibid-rollback: takes a bad commit back where Flux only stays on it, in red.

Apart from Flux's own controllers, because whoever may push to the fleet may make anything of the cluster: neither the
API nor an agent's namespace may come near its login. Not in Flux's namespace either: the policy `allow-egress` that
Flux brings lets every pod there reach everything, and policies only ever add up.

Owns: its Deployment, its account and rights, its login at Gitea, the Provider and the Alert that wake it.
Leaves to others: what it does (`raibid.gitops.rollback`), the user at Gitea and what the branch takes from it
(`gitea_setup`), the image, which is the API's (`agent_image`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import Env, Secrets

from components import flux, flux_objects, gitea_config, priority, rollback_admission
from components.agent_pod import USER
from components.api import IMAGE
from components.budget import Budget, Footprint, Workload
from components.manifest_tree import Derive, Manifest, SecretManifest, Tree, emit
from components.network import API_SERVER, DNS, from_peers, network_policy, pods, to_peers
from components.settings import Settings
from components.units import MI, size_text
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
    service,
    service_account,
)

NAME: Final = "raibid-rollback"
FLOWS: Final = (("flux", "watches"), ("gitea", "reverts"))
"""Whom it talks to, and about what: `components graph` draws it."""
NAMESPACE: Final = "infrastructure"
ACCOUNT: Final = f"system:serviceaccount:{NAMESPACE}:{NAME}"
"""As the API server names it."""
DIRECTORY: Final = "apps/base/raibid-rollback"
PORT: Final = 8470
URL: Final = f"http://{NAME}.{NAMESPACE}.svc.cluster.local:{PORT}/flux"
"""Where Flux sends what fails."""
USER_NAME: Final = "ci-rollback"
"""Pushes reverts to the fleet, opens issues and pull requests there: `gitea_setup` makes it and lets it."""
LABEL: Final = "gitea/rollback"
TOKEN_LABEL: Final = "rollback/alerts"  # noqa: S105  (a name)
"""What Flux signs alerts with."""
PROVIDER: Final = "rollback"
_PROVIDER_SECRET: Final = "rollback-token"  # noqa: S105  (a name)
_NOTIFICATION: Final = "notification.toolkit.fluxcd.io/v1beta3"
_SECRETS: Final = "/run/secrets/rollback"
_CONFIG: Final = "/etc/raibid"
_LOOK: Final = ("get", "list", "watch")
_TMP: Final = 512 * MI
"""One checkout of the fleet at a time: a real one with two years of commits takes 40 MiB."""


def footprint(settings: Settings) -> Footprint:
    """One process that waits: 70 MiB when idle; git beside it while a commit is taken back."""
    return Footprint(NAME, (Workload(name=NAME, namespace=NAMESPACE, cpu=25, memory=192 * MI),))


def wanted(settings: Settings) -> bool:
    """Whether a stack has it: only the stack's own Gitea gives it a login, and only that is in its reach."""
    ours = settings.cluster.kind != "embedded" and flux.git_url(settings).startswith(gitea_config.INSIDE)
    return settings.systems.rollback and ours


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository: all in one directory, so that leaving that out is the switch."""
    return Tree(
        NAME,
        {
            DIRECTORY: [
                _deployment(footprint(settings).of(NAME)),
                service(NAME, NAMESPACE, NAME, {"http": PORT}),
                config_map(NAME, NAMESPACE, NAME, _files()),
                service_account(NAME, NAMESPACE, NAME),
                *_rights(),
                *rollback_admission.policy(NAME, NAME, ACCOUNT),
                disruption_budget(NAME, NAMESPACE, NAME),
                _network_policy(),
                _provider(),
                _alert(),
                SecretManifest(NAMESPACE, Secrets.ROLLBACK, _secrets),
                SecretManifest(flux_objects.NAMESPACE, _PROVIDER_SECRET, _token),
            ]
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {
        "raibid_rollback_email": f"{USER_NAME}@{settings.domain}",
        "raibid_rollback_rotation": generations(settings, LABEL, TOKEN_LABEL),
    }


def _files() -> Mapping[str, str]:
    # By the user's own address, for Gitea to show who it was.
    host = gitea_config.INSIDE.partition("://")[2]
    return {
        "gitops.yaml": f"hosts: [{host!r}]\npolicy: auto\nauthor: {USER_NAME}\nemail: ${{raibid_rollback_email}}\n",
    }


def _rights() -> Iterator[Manifest]:
    """In Flux's namespace: to look, to ask Flux to look again (an annotation, and no more of `patch` than that:
    `rollback_admission`), to say what it did. Where HelmReleases are: to look at them.
    """
    home, releases = flux_objects.NAMESPACE, rule("helm.toolkit.fluxcd.io", ["helmreleases"], _LOOK)
    yield role(
        NAME,
        home,
        NAME,
        rule("kustomize.toolkit.fluxcd.io", ["kustomizations"], [*_LOOK, "patch"]),
        rule("source.toolkit.fluxcd.io", ["gitrepositories"], [*_LOOK, "patch"]),
        releases,
        rule("", ["events"], ["create", "list"]),
    )
    yield role_binding(NAME, home, NAME, account=NAME, account_namespace=NAMESPACE)
    for space in flux_objects.RELEASE_NAMESPACES:
        name = f"{NAME}-{space}"
        yield role(name, space, NAME, releases, rule("", ["events"], ["create", "list"]))
        yield role_binding(name, space, NAME, account=NAME, account_namespace=NAMESPACE)


def _deployment(workload: Workload) -> Manifest:
    container = {
        "name": "controller",
        "image": IMAGE,
        "args": [
            *("gitops", "controller", "--host", "0.0.0.0", "--port", str(PORT)),  # noqa: S104  (the pod's own)
            *(argument for space in flux_objects.RELEASE_NAMESPACES for argument in ("--releases-in", space)),
        ],
        "env": [
            {"name": Env.GITOPS_FILE, "value": f"{_CONFIG}/gitops.yaml"},
            {"name": Env.FORGE_CREDENTIALS_FILE, "value": f"{_SECRETS}/credentials"},
            {"name": Env.ROLLBACK_TOKEN_FILE, "value": f"{_SECRETS}/token"},
            {"name": Env.NAMESPACE, "value": flux_objects.NAMESPACE},
        ],
        "ports": [{"name": "http", "containerPort": PORT}],
        "resources": resources(workload),
        "securityContext": dict(CONTAINER_SECURITY),
        "startupProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 2, "failureThreshold": 30},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 3},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5, "timeoutSeconds": 3},
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (the pod's own)
            {"name": "secrets", "mountPath": _SECRETS, "readOnly": True},
            {"name": "config", "mountPath": _CONFIG, "readOnly": True},
        ],
    }
    selector = labels(NAME, NAME)
    annotations = {CONFIG: fingerprint(_files()), ROTATION: "${raibid_rollback_rotation}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(NAME, NAMESPACE, NAME),
        "spec": {
            "replicas": workload.replicas,
            # The old one goes only when the new one is ready: a commit that breaks this very pod is taken back, too.
            # Two at once do no harm (docs/gitops.md).
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": selector, "annotations": annotations},
                "spec": {
                    "serviceAccountName": NAME,
                    "automountServiceAccountToken": True,
                    "enableServiceLinks": False,
                    "priorityClassName": priority.SERVICES,
                    "securityContext": pod_security(USER),
                    "containers": [container],
                    "volumes": [
                        {"name": "tmp", "emptyDir": {"sizeLimit": size_text(_TMP)}},
                        {"name": "secrets", "secret": {"secretName": Secrets.ROLLBACK, "defaultMode": 0o440}},
                        {"name": "config", "configMap": {"name": NAME}},
                    ],
                },
            },
        },
    }


def _network_policy() -> Manifest:
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        ingress=(from_peers(flux_objects.NOTIFIER, pods("monitoring"), ports=(PORT,)),),
        egress=(DNS, API_SERVER, to_peers(pods(NAMESPACE, "gitea"), ports=(gitea_config.HTTP_PORT,))),
    )


def _provider() -> Manifest:
    return {
        "apiVersion": _NOTIFICATION,
        "kind": "Provider",
        "metadata": metadata(PROVIDER, flux_objects.NAMESPACE, NAME),
        "spec": {"type": "generic-hmac", "address": URL, "secretRef": {"name": _PROVIDER_SECRET}, "timeout": "20s"},
    }


def _alert() -> Manifest:
    spaces = (flux_objects.NAMESPACE, *flux_objects.RELEASE_NAMESPACES)
    sources = [
        {"kind": "Kustomization", "name": "*", "namespace": flux_objects.NAMESPACE},
        *({"kind": "HelmRelease", "name": "*", "namespace": space} for space in spaces),
    ]
    return {
        "apiVersion": _NOTIFICATION,
        "kind": "Alert",
        "metadata": metadata(PROVIDER, flux_objects.NAMESPACE, NAME),
        "spec": {"providerRef": {"name": PROVIDER}, "eventSeverity": "error", "eventSources": sources},
    }


def _secrets(derive: Derive) -> Mapping[str, str]:
    login = gitea_config.INSIDE.replace("://", f"://{USER_NAME}:{derive(LABEL)}@")
    return {"credentials": f"{login}\n", **_token(derive)}


def _token(derive: Derive) -> Mapping[str, str]:
    # No line break after it: Flux signs with every byte of the key.
    return {"token": derive(TOKEN_LABEL)}


@dataclass(frozen=True, kw_only=True)
class RollbackArgs:
    """What the component needs."""

    settings: Settings


class Rollback(ComponentResource):
    """The rollback controller in the stack's graph: Flux owns it, the stack shows which of its files change."""

    def __init__(self, name: str, args: RollbackArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Rollback", name, {"files": files}, opts)
        self.register_outputs({"url": URL})
