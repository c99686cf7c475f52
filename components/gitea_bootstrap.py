"""`python -m components gitea-setup` in the stack's graph: run on `up`, when what is wanted in Gitea has changed.

Owns: what the command is sent, the repository's address as an output.
Leaves to others: the calls (`gitea_setup`), Gitea itself (`gitea`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_command import local

from components import agents, api, mirrors, rollback
from components.gitea import ADMIN_LABEL
from components.notifications import receiver_path
from components.settings import Settings

FLUX_LABEL: Final = "gitea/flux"
RECEIVER_LABEL: Final = "flux/receiver"
LABELS: Final = (
    ADMIN_LABEL,
    FLUX_LABEL,
    RECEIVER_LABEL,
    agents.GIT_LABEL,
    api.STATUS_LABEL,
    api.WEBHOOK_LABEL,
    mirrors.LABEL,
    rollback.LABEL,
)
"""Labels of the passwords that `GiteaSetupArgs` wants."""
FLUX_USER: Final = "flux"
RECEIVER: Final = "http://webhook-receiver.flux-system.svc.cluster.local"
BUILDS: Final = f"{api.URL}/webhook/gitea"
"""Where raibid-api takes pushes."""


@dataclass(frozen=True, kw_only=True)
class GiteaSetupArgs:
    """What the component needs."""

    settings: Settings
    api: Input[str]
    """Where this machine reaches Gitea (`Gitea.api`)."""
    passwords: Mapping[str, Input[str]]
    """By label, all of `LABELS`; secret."""
    after: Sequence[Resource] = ()
    """What must be ready first (`Gitea.stateful_sets`)."""
    program: str = "python3"
    """The interpreter that has this project's packages."""


class GiteaSetup(ComponentResource):
    """Organisations, users, fleet repository, protection and hooks; destroying the stack leaves them all."""

    repository: Output[str]
    """Clone URL of the fleet repository, once it is there."""

    def __init__(self, name: str, args: GiteaSetupArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("raibid:components:GiteaSetup", name, {}, opts)
        stdin: Output[str] = Output.all(args.api, dict(args.passwords)).apply(
            lambda known: json.dumps(order(args.settings, known[0], known[1]))
        )
        secret: Output[str] = Output.secret(stdin)
        command = local.Command(
            f"{name}-call",
            create=shlex.join([args.program, "-m", "components", "gitea-setup", "--json"]),
            stdin=secret,
            # The order on stdin changes when something is wanted otherwise; `triggers` would replace, not update.
            add_previous_output_in_env=False,
            opts=ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        # Where this machine reaches it: Gitea's own idea of its name need not resolve here.
        self.repository = Output.all(args.api, command.stdout).apply(lambda known: clone_url(args.settings, known[0]))
        self.register_outputs({"repository": self.repository})


def clone_url(settings: Settings, base: str) -> str:
    """The fleet repository under the address `base` of Gitea."""
    return f"{base}/{settings.gitea.organisation}/{settings.fleet.name}.git"


def order(settings: Settings, base: str, passwords: Mapping[str, str]) -> dict[str, Any]:
    """What `gitea_setup.Order` reads, for the Gitea at `base`; holds passwords."""
    token = passwords[RECEIVER_LABEL]
    hook = {"url": RECEIVER + receiver_path(token), "secret": token}
    reverts = {"name": rollback.USER_NAME, "password": passwords[rollback.LABEL]}
    return {
        "url": base,
        "admin": {"name": settings.gitea.admin, "password": passwords[ADMIN_LABEL]},
        "flux": {"name": FLUX_USER, "password": passwords[FLUX_LABEL]},
        "agent": {"name": agents.GIT_USER, "password": passwords[agents.GIT_LABEL]},
        "status": {"name": api.STATUS_USER, "password": passwords[api.STATUS_LABEL]},
        "mirror": {"name": mirrors.USER_NAME, "password": passwords[mirrors.LABEL]},
        "rollback": reverts if rollback.wanted(settings) else None,
        "organisation": settings.gitea.organisation,
        "mirrors": list(settings.gitea.mirrors),
        "repository": settings.fleet.name,
        "branch": settings.fleet.branch,
        "domain": settings.domain,
        "hook": hook if settings.systems.notifications else None,
        "builds": {"url": BUILDS, "secret": passwords[api.WEBHOOK_LABEL]},
    }
