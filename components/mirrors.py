"""raibid-mirror: once a day, Gitea gets the mirrors that the operators' file asks for.

Owns: the CronJob of `raibid mirror apply`, its login at Gitea, where operators' tokens for sources go.
Leaves to others: what mirrors.yaml says (operators), keeping mirrors up to their sources (`api`), the user at Gitea
(`gitea_setup`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import Env, Secrets

from components import gitea_config, priority
from components.agent_pod import NAMESPACE, USER
from components.api import IMAGE, MIRRORS, mirrors_volumes
from components.budget import Budget, Footprint, Workload
from components.manifest_tree import Derive, Manifest, SecretManifest, Tree, emit
from components.network import DNS, INTERNET, network_policy, pods, to_peers
from components.settings import Settings
from components.units import MI
from components.workload import (
    CONTAINER_SECURITY,
    config_map,
    labels,
    metadata,
    pod_security,
    resources,
    service_account,
)

NAME: Final = "raibid-mirror"
FLOWS: Final = (("gitea", "makes mirrors"),)
"""Whom it talks to, and about what: `components graph` draws it."""
DIRECTORY: Final = "apps/base/raibid-mirror"
USER_NAME: Final = "ci-mirror"
"""Makes mirrors at the stack's own Gitea: `gitea_setup` makes it and lets it."""
LABEL: Final = "gitea/mirror"
_SCHEDULE: Final = "17 3 * * *"
"""Daily, UTC: new repositories of an organisation are found by then; pushes are not waited for."""
_LONGEST: Final = 4 * 3600
"""Seconds: an organisation of 200 repositories takes as long as its clones; the next run goes on."""


def footprint(settings: Settings) -> Footprint:
    """One process for some minutes a day: 60 MiB with 200 repositories; Gitea does the cloning."""
    return Footprint(NAME, (Workload(name=NAME, namespace=NAMESPACE, cpu=25, memory=128 * MI),))


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(
        NAME,
        {
            DIRECTORY: [
                _cron_job(footprint(settings).of(NAME)),
                service_account(NAME, NAMESPACE, NAME),
                network_policy(
                    NAME,
                    NAMESPACE,
                    NAME,
                    ingress=(),
                    egress=(
                        DNS,
                        to_peers(pods("infrastructure", "gitea"), ports=(gitea_config.HTTP_PORT,)),
                        to_peers(INTERNET, ports=(443,)),
                    ),
                ),
                SecretManifest(NAMESPACE, Secrets.MIRROR_GITEA, _credentials),
            ]
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Nothing of this environment is in the files above."""
    return {}


def file(settings: Settings) -> Manifest:
    """mirrors.yaml as it is seeded: no mirrors."""
    return config_map(MIRRORS, NAMESPACE, NAME, {"mirrors.yaml": "single: []\n"})


def _cron_job(workload: Workload) -> Manifest:
    container = {
        "name": "mirror",
        "image": IMAGE,
        "args": ["mirror", "apply", "--json"],
        "env": [
            {"name": Env.GITEA_URL, "value": gitea_config.INSIDE},
            {"name": Env.FORGE_CREDENTIALS_FILE, "value": "/run/secrets/forge"},
            {"name": Env.GITHUB_URL, "value": "${raibid_api_github_url}"},
            {"name": Env.MIRRORS_FILE, "value": "/etc/raibid/mirrors/mirrors.yaml"},
            {"name": Env.MIRROR_TOKENS_DIR, "value": "/run/secrets/mirror-tokens"},
        ],
        "resources": resources(workload),
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "forge", "mountPath": "/run/secrets/forge", "readOnly": True},
            {"name": "mirrors", "mountPath": "/etc/raibid/mirrors", "readOnly": True},
            {"name": "mirror-tokens", "mountPath": "/run/secrets/mirror-tokens", "readOnly": True},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(NAME, NAMESPACE, NAME),
        "spec": {
            "schedule": _SCHEDULE,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    # What a run did not do the next one does: tomorrow's.
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": _LONGEST,
                    "template": {
                        "metadata": {"labels": labels(NAME, NAME)},
                        "spec": {
                            "restartPolicy": "Never",
                            "serviceAccountName": NAME,
                            "automountServiceAccountToken": False,
                            "enableServiceLinks": False,
                            "priorityClassName": priority.SERVICES,
                            "securityContext": pod_security(USER),
                            "containers": [container],
                            "volumes": mirrors_volumes(Secrets.MIRROR_GITEA),
                        },
                    },
                }
            },
        },
    }


def _credentials(derive: Derive) -> Mapping[str, str]:
    return {"credentials": gitea_config.INSIDE.replace("://", f"://{USER_NAME}:{derive(LABEL)}@") + "\n"}


@dataclass(frozen=True, kw_only=True)
class MirrorsArgs:
    """What the component needs."""

    settings: Settings


class Mirrors(ComponentResource):
    """The mirrors' CronJob in the stack's graph: Flux owns it, the stack shows which of its files change."""

    def __init__(self, name: str, args: MirrorsArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Mirrors", name, {"files": files}, opts)
        self.register_outputs({})
