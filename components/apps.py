"""Developers' workloads: a namespace of their own, with room that the budget knows of, applied by their own commits.

Apart from `ci`, whose quota is the agents' to the last byte, and whose Secrets any pod there may mount.

Owns: how much room it is, the rights of `apps-reconciler`, whom its pods may talk to.
Leaves to others: the namespace, its quota and its default of silence (`namespaces`), the stage that applies
`apps/<env>` and the seeded folder (`flux_stages`), the manifests themselves (developers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint, Workload
from components.flux_objects import NAMESPACE as FLUX
from components.manifest_tree import Manifest, Tree, emit
from components.network import INTERNET, from_peers, network_policy, pods, to_peers
from components.settings import Settings
from components.workload import role, role_binding, rule, service_account

NAME: Final = "apps"
FLOWS: Final = ()
NAMESPACE: Final = "apps"
DIRECTORY: Final = "infrastructure/policies/apps"
RECONCILER: Final = "apps-reconciler"
"""Service account that applies developers' commits; it may write to `NAMESPACE` only."""
TALKS: Final[Mapping[str, str]] = {"raibid.dev/network": "apps"}
"""Label of pods that may talk: among themselves, and to the outside over HTTPS."""
PORTS: Final = (80, 443, 8080)
"""Where they reach each other."""


def footprint(settings: Settings) -> Footprint:
    """What the stack keeps free for developers, whether they use it or not."""
    room = settings.apps
    pool = Workload(name="pool", namespace=NAMESPACE, cpu=room.cpu, memory=room.memory, disk=room.disk, pool=True)
    return Footprint(NAME, (pool,))


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository: what developers' commits may change, and whom their pods may talk to."""
    account = service_account(RECONCILER, FLUX, NAME)
    binding = role_binding(RECONCILER, NAMESPACE, NAME, account=RECONCILER, account_namespace=FLUX)
    return Tree(NAME, {DIRECTORY: [account, _role(), binding, _network_policy()]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """The same everywhere; quota and limits are `namespaces`'."""
    return {}


def _role() -> Manifest:
    write = ["get", "list", "watch", "create", "update", "patch", "delete"]
    read = ["get", "list", "watch"]
    # No Roles, NetworkPolicies, quotas or ScaledJobs: the borders of the namespace are not a developer's to move. No
    # Ingresses: k3s runs without traefik, and no policy would let one in.
    rules = [
        rule("", ["configmaps", "secrets", "services", "persistentvolumeclaims"], write),
        rule("apps", ["deployments", "statefulsets"], write),
        rule("batch", ["jobs", "cronjobs"], write),
        # What health is read from.
        rule("", ["pods", "events"], read),
        rule("apps", ["replicasets"], read),
    ]
    return role(RECONCILER, NAMESPACE, NAME, *rules)


def _network_policy() -> Manifest:
    # Developers may not write policies, and the namespace denies by default: pods that carry this label are let out.
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        selects=TALKS,
        ingress=(from_peers(pods(NAMESPACE), ports=PORTS),),
        egress=(to_peers(pods(NAMESPACE), ports=PORTS), to_peers(INTERNET, ports=(443,))),
    )


@dataclass(frozen=True, kw_only=True)
class AppsArgs:
    """What the component needs."""

    settings: Settings


class Apps(ComponentResource):
    """Developers' borders in the stack's graph; Flux owns them."""

    def __init__(self, name: str, args: AppsArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Apps", name, {"files": files}, opts)
        self.register_outputs({"namespace": NAMESPACE})
