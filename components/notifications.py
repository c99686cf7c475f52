"""Notifications: Flux tells Gitea what became of a commit, and Gitea tells Flux that there is one.

Owns: the commit-status provider, the Alert on Kustomizations, the receiver of Gitea's push hook and its address.
Leaves to others: the tokens (live Secrets: `cluster`, `commit_status`), the hook on Gitea's side (`gitea_setup`),
alerts on metrics (`monitoring.alert_rules`) and on HelmReleases (`monitoring.release_alerts`): those report a chart's
version, and a status needs a commit. Without monitoring, a HelmRelease that failed shows in the status of the stage
that waits for it: helm-controller calls one that it rolled back not ready, and the stage fails with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint
from components.flux import git_url
from components.flux_objects import NAMESPACE, SOURCE
from components.manifest_tree import Manifest, Tree, emit
from components.settings import Settings
from components.workload import metadata

NAME: Final = "notifications"
FLOWS: Final = (("gitea", "commit status"),)
"""Whom it talks to, and about what: `components graph` draws it."""
DIRECTORY: Final = "infrastructure/configs/notifications"
RECEIVER: Final = "fleet"
RECEIVER_SECRET: Final = "webhook-token"  # noqa: S105  (a name)
"""Live Secret, key `token`."""
GITEA_SECRET: Final = "gitea-token"  # noqa: S105  (a name)
"""Live Secret, key `token`: a Gitea token with write:repository, for commit statuses."""
PROVIDER: Final = "gitea"
_API: Final = "notification.toolkit.fluxcd.io"


def receiver_path(token: str) -> str:
    """Where Gitea's hook must send: known before the Receiver is, so that the hook can be made first.

    notification-controller 1.9 (api/v1 receiver_types.go, GetWebhookPath): sha256(token + name + namespace).
    """
    return f"/hook/{hashlib.sha256(f'{token}{RECEIVER}{NAMESPACE}'.encode()).hexdigest()}"


def footprint(settings: Settings) -> Footprint:
    """Nothing of its own: the notification controller is Flux's."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(NAME, {DIRECTORY: [_provider(), _alert(), _receiver()]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {"notifications_repository": repository(settings), "notifications_environment": settings.environment}


def repository(settings: Settings) -> str:
    """The fleet's repository as the provider wants it: without `.git`."""
    return git_url(settings).removesuffix(".git")


def _provider() -> Manifest:
    return {
        "apiVersion": f"{_API}/v1beta3",
        "kind": "Provider",
        "metadata": metadata(PROVIDER, NAMESPACE, NAME),
        "spec": {
            "type": "gitea",
            "address": "${notifications_repository}",
            "secretRef": {"name": GITEA_SECRET},
            "timeout": "20s",
        },
    }


def _alert() -> Manifest:
    return {
        "apiVersion": f"{_API}/v1beta3",
        "kind": "Alert",
        "metadata": metadata("kustomizations", NAMESPACE, NAME),
        "spec": {
            "providerRef": {"name": PROVIDER},
            # A commit status needs the good news too.
            "eventSeverity": "info",
            # All stages are in Flux's namespace.
            "eventSources": [{"kind": "Kustomization", "name": "*", "namespace": NAMESPACE}],
            "eventMetadata": {"environment": "${notifications_environment}"},
        },
    }


def _receiver() -> Manifest:
    return {
        "apiVersion": f"{_API}/v1",
        "kind": "Receiver",
        "metadata": metadata(RECEIVER, NAMESPACE, NAME),
        "spec": {
            # Gitea signs as GitHub does; what is made of the repository follows the source by itself.
            "type": "github",
            "events": ["ping", "push"],
            "secretRef": {"name": RECEIVER_SECRET},
            "resources": [{"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "name": SOURCE}],
        },
    }


@dataclass(frozen=True, kw_only=True)
class NotificationsArgs:
    """What the component needs."""

    settings: Settings


class Notifications(ComponentResource):
    """Notifications in the stack's graph: Flux owns the objects, the stack shows which of the files change."""

    def __init__(self, name: str, args: NotificationsArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Notifications", name, {"files": files}, opts)
        self.register_outputs({"receiver": RECEIVER})
