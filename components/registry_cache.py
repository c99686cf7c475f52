"""A copy of what was pulled from Docker Hub: a hundred agents a day do not meet its rate limit.

Owns: the official registry image as a pull-through cache, its volume, the node port that containerd asks.
Leaves to others: telling containerd to ask here first (`k3s`, registries.yaml), the pool's own images (`gitea`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint, Workload
from components.manifest_tree import Manifest, Tree, emit
from components.network import DNS, INTERNET, from_peers, network_policy, to_peers
from components.settings import Settings
from components.units import GI, MI, size_text
from components.versions import IMAGES
from components.workload import CONFIG, CONTAINER_SECURITY, config_map, fingerprint, resources, service, stateful_set

NAME: Final = "registry-cache"
FLOWS: Final = ()
NAMESPACE: Final = "infrastructure"
DIRECTORY: Final = "infrastructure/data/registry-cache"
PORT: Final = 5000
NODE_PORT: Final = 30500
"""containerd runs on the host, where cluster names mean nothing: it asks this port of its own node."""
_USER: Final = 1000
# Docker Hub's API answers under this name, not under the one that its images carry.
_UPSTREAM: Final = f"https://registry-1.{IMAGES['registry'].where.partition('/')[0]}"

_CONFIG: Final = f"""\
version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
proxy:
  remoteurl: {_UPSTREAM}
  # What nobody asked for in a week goes: local volumes have no size limit of their own.
  ttl: 168h
http:
  addr: :{PORT}
"""
_FILES: Final = {"config.yml": _CONFIG}


def footprint(settings: Settings) -> Footprint:
    """One process that copies bytes: a twentieth of the disk, at most 40 GiB."""
    disk = min(40 * GI, settings.nodes[0].disk // 20 // GI * GI)
    cache = Workload(name=NAME, namespace=NAMESPACE, cpu=100, memory=128 * MI, disk=disk)
    return Footprint(NAME, (cache,))


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(
        NAME,
        {
            DIRECTORY: [
                _stateful_set(footprint(settings).of(NAME)),
                _service(),
                config_map(NAME, NAMESPACE, NAME, _FILES),
                _network_policy(),
            ]
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {"registry_cache_disk": size_text(footprint(settings).of(NAME).disk)}


def _stateful_set(workload: Workload) -> Manifest:
    alive = {"httpGet": {"path": "/", "port": "registry"}, "periodSeconds": 10, "timeoutSeconds": 3}
    container = {
        "name": "registry",
        "image": IMAGES["registry"].reference,
        "args": ["/etc/distribution/config.yml"],
        "ports": [{"name": "registry", "containerPort": PORT}],
        "resources": resources(workload),
        "securityContext": dict(CONTAINER_SECURITY),
        "readinessProbe": alive,
        "livenessProbe": alive,
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/registry"},
            {"name": "config", "mountPath": "/etc/distribution", "readOnly": True},
        ],
    }
    return stateful_set(
        workload,
        system=NAME,
        user=_USER,
        containers=[container],
        volumes=[{"name": "config", "configMap": {"name": NAME}}],
        disk="${registry_cache_disk}",
        annotations={CONFIG: fingerprint(_FILES)},
    )


def _service() -> Manifest:
    base = service(NAME, NAMESPACE, NAME, {"registry": PORT})
    ports = [{**port, "nodePort": NODE_PORT} for port in base["spec"]["ports"]]
    return {**base, "spec": {**base["spec"], "type": "NodePort", "ports": ports}}


def _network_policy() -> Manifest:
    # Public images only, so everybody may read; containerd comes from the node's address, which no selector names.
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        ingress=(from_peers(ports=(PORT,)),),
        egress=(DNS, to_peers(INTERNET, ports=(443,))),
    )


@dataclass(frozen=True, kw_only=True)
class RegistryCacheArgs:
    """What the component needs."""

    settings: Settings


class RegistryCache(ComponentResource):
    """The cache in the stack's graph: Flux owns its objects, the stack shows which of its files change."""

    def __init__(self, name: str, args: RegistryCacheArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:RegistryCache", name, {"files": files}, opts)
        self.register_outputs({})
