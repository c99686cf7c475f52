"""Names of the pool inside the cluster: `gitea.<domain>` and `redis.<domain>` lead to their Services.

Owns: the addition to k3s' CoreDNS.
Leaves to others: the same names on the host (`k3s`) and in people's own DNS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint
from components.manifest_tree import Manifest, Tree, emit
from components.settings import Settings
from components.workload import config_map

NAME: Final = "dns"
FLOWS: Final = ()
DIRECTORY: Final = "infrastructure/namespaces/dns"
_SERVICES: Final = {
    "gitea": "gitea-http.infrastructure.svc.cluster.local",
    "redis": "redis.infrastructure.svc.cluster.local",
}


def footprint(settings: Settings) -> Footprint:
    """Nothing runs."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(NAME, {DIRECTORY: [_addition()]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {"dns_domain": settings.domain}


def _addition() -> Manifest:
    # k3s' Corefile imports `*.override` of this optional ConfigMap into its one server block; the `coredns` ConfigMap
    # itself it resets at each start. Merged, so that an operator's own keys stay.
    lines = [f"rewrite name exact {name}.${{dns_domain}} {target}\n" for name, target in _SERVICES.items()]
    return config_map(
        "coredns-custom",
        "kube-system",
        NAME,
        {"raibid.override": "".join(lines)},
        **{"kustomize.toolkit.fluxcd.io/ssa": "Merge"},
    )


@dataclass(frozen=True, kw_only=True)
class DnsArgs:
    """What the component needs."""

    settings: Settings


class Dns(ComponentResource):
    """The pool's names in the stack's graph; Flux owns the ConfigMap."""

    def __init__(self, name: str, args: DnsArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Dns", name, {"files": files}, opts)
        self.register_outputs({})
