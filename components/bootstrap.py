"""What must be in the cluster before Flux can work, in order: its first objects, the forge, the repository in it.

Owns: that order, which derived password goes to whom.
Leaves to others: each of the parts (`cluster`, `gitea`, `gitea_bootstrap`, `commit_status`), the push into the
repository (`flux_repo`), Flux itself (`flux`), which comes after the push.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions

from components import commit_status, gitea, gitea_bootstrap
from components.cluster import Cluster, ClusterArgs
from components.commit_status import CommitStatus, CommitStatusArgs
from components.gitea import Gitea, GiteaArgs
from components.gitea_bootstrap import GiteaSetup, GiteaSetupArgs
from components.secret_values import derived
from components.settings import Settings, StackSecrets


@dataclass(frozen=True, kw_only=True)
class BootstrapArgs:
    """What the component needs."""

    settings: Settings
    secrets: StackSecrets
    kubeconfig: Input[str] | None
    """Its text, secret; None: the machine's own (KUBECONFIG, ~/.kube/config)."""
    machine: Resource | None = None
    """What the cluster runs on, where this stack installs it."""
    program: str = "python3"
    """The interpreter that has this project's packages."""


class Bootstrap(ComponentResource):
    """The cluster up to the point where a tree can be pushed and Flux can be started."""

    objects: ResourceOptions
    """Options of what comes after, in the same cluster."""
    repository: Input[str]
    """Where the tree is pushed."""
    username: str
    password: Output[str] | None

    def __init__(self, name: str, args: BootstrapArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("raibid:components:Bootstrap", name, {}, opts)
        child, settings = ResourceOptions(parent=self), args.settings
        # Only a k3s that is removed takes its objects along; one that stays would keep all that the state forgets.
        gone = args.machine if settings.cluster.uninstall else None
        cluster_args = ClusterArgs(
            settings=settings, kubeconfig=args.kubeconfig, secrets=args.secrets, deleted_with=gone
        )
        cluster = Cluster("cluster", cluster_args, child)
        self.objects = cluster.objects
        forge = Gitea(
            "gitea",
            GiteaArgs(settings=settings, passwords=_passwords(args, gitea.LABELS), objects=cluster.objects),
            child,
        )
        self.repository, self.username, self.password = settings.fleet.url, "", args.secrets.git_password
        if args.secrets.seed and not settings.fleet.url:
            setup = _set_up(args, forge, cluster.objects, child)
            self.repository, self.username = setup.repository, settings.gitea.admin
            self.password = derived(args.secrets.seed, settings, gitea.ADMIN_LABEL)
        self.register_outputs({"forge": forge.url, "repository": self.repository})


def _set_up(args: BootstrapArgs, forge: Gitea, objects: ResourceOptions, child: ResourceOptions) -> GiteaSetup:
    """What is in the stack's own Gitea: the repository, and who reports on its commits."""
    setup = GiteaSetup(
        "gitea-setup",
        GiteaSetupArgs(
            settings=args.settings,
            api=forge.api,
            passwords=_passwords(args, gitea_bootstrap.LABELS),
            after=forge.stateful_sets,
            program=args.program,
        ),
        child,
    )
    if args.settings.systems.notifications:
        CommitStatus(
            "commit-status",
            CommitStatusArgs(
                settings=args.settings,
                api=forge.api,
                passwords=_passwords(args, commit_status.LABELS),
                after=setup,
                objects=objects,
                program=args.program,
            ),
            child,
        )
    return setup


def _passwords(args: BootstrapArgs, labels: Sequence[str]) -> dict[str, Output[str]]:
    """By label; none without a seed."""
    seed = args.secrets.seed
    return {label: derived(seed, args.settings, label) for label in labels} if seed else {}
