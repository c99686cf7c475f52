"""Redis: the pool's durable memory, that is the work stream, job records, logs on their way to the archive.

Owns: the footprint of Redis, its manifests, the Secret with its ACL users.
Leaves to others: what the keys mean (`raibid.ledger`), each user's rules (`raibid.contract.redis_acl`), who starts
agents (`scaled_job`, `controller`), the namespace and its quota (`namespaces`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import AclUser, Secrets
from raibid.contract.redis_acl import acl_file

from components import priority
from components.budget import Budget, Footprint, Workload
from components.manifest_tree import Derive, Manifest, SecretManifest, Tree, emit
from components.network import from_peers, network_policy, pods
from components.settings import Settings
from components.units import GI, size_text
from components.versions import IMAGES
from components.workload import (
    CONFIG,
    CONTAINER_SECURITY,
    ROTATION,
    config_map,
    fingerprint,
    generations,
    resources,
    service,
    stateful_set,
)

NAME: Final = "redis"
FLOWS: Final = ()
NAMESPACE: Final = "infrastructure"
PORT: Final = 6379
ADDRESS: Final = f"redis.{NAMESPACE}.svc.cluster.local:{PORT}"
DIRECTORY: Final = "infrastructure/data/redis"
USERS: Final = (AclUser.API, AclUser.AGENT, AclUser.KEDA, AclUser.CONTROLLER)
_USER: Final = 999  # redis in the official image

CONF: Final = """\
# Every acknowledged job is on disk: with everysec a power cut loses jobs that the forge was told about.
appendonly yes
appendfsync always
save 300 10
# A queue must refuse work when it is full, never forget some.
maxmemory-policy noeviction
maxmemory 1536mb
aclfile /etc/redis/users.acl
dir /data
# The root file system is read-only.
pidfile /data/redis.pid
"""
_FILES: Final = {"redis.conf": CONF}


def password_label(user: str) -> str:
    """The label that a Redis user's password is derived from."""
    return f"redis/{user}"


def credentials(user: str) -> Callable[[Derive], Mapping[str, str]]:
    """Values of the Secret that `user` logs in with."""

    def values(derive: Derive) -> Mapping[str, str]:
        return {"username": user, "password": derive(password_label(user))}

    return values


def footprint(settings: Settings) -> Footprint:
    """One Redis; requests equal limits, so that it is the last to be killed when memory is short."""
    redis = Workload(name="redis", namespace=NAMESPACE, cpu=1000, cpu_limit=1000, memory=2 * GI, disk=10 * GI)
    return Footprint(NAME, (redis,))


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(
        NAME,
        {
            DIRECTORY: [
                _stateful_set(footprint(settings).of("redis")),
                service("redis", NAMESPACE, NAME, {"redis": PORT}),
                config_map("redis", NAMESPACE, NAME, _FILES),
                SecretManifest(NAMESPACE, Secrets.REDIS_ACL, _acl),
                _network_policy(),
            ]
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {
        "redis_disk": size_text(footprint(settings).of("redis").disk),
        # Redis reads its users at its start.
        "redis_rotation": generations(settings, *map(password_label, USERS)),
    }


def _acl(derive: Derive) -> dict[str, str]:
    return {"users.acl": acl_file({user: derive(password_label(user)) for user in USERS})}


def _stateful_set(workload: Workload) -> Manifest:
    # A TCP connection is not enough (Redis answers LOADING while it reads the AOF); PING without a user answers NOAUTH,
    # which is an answer, and `redis-cli` then exits 0.
    ping = {"exec": {"command": ["redis-cli", "ping"]}, "periodSeconds": 10, "timeoutSeconds": 5}
    container = {
        "name": "redis",
        "image": IMAGES["redis"].reference,
        "args": ["/etc/redis/redis.conf"],
        "ports": [{"name": "redis", "containerPort": PORT}],
        "resources": resources(workload),
        "securityContext": dict(CONTAINER_SECURITY),
        "readinessProbe": ping,
        "livenessProbe": {**ping, "failureThreshold": 6},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "config", "mountPath": "/etc/redis/redis.conf", "subPath": "redis.conf", "readOnly": True},
            {"name": "acl", "mountPath": "/etc/redis/users.acl", "subPath": "users.acl", "readOnly": True},
        ],
    }
    volumes = [
        {"name": "config", "configMap": {"name": "redis"}},
        {"name": "acl", "secret": {"secretName": Secrets.REDIS_ACL}},
    ]
    return stateful_set(
        workload,
        system=NAME,
        user=_USER,
        containers=[container],
        volumes=volumes,
        disk="${redis_disk}",
        priority=priority.DATA,
        annotations={CONFIG: fingerprint(_FILES), ROTATION: "${redis_rotation}"},
    )


def _network_policy() -> Manifest:
    callers = (pods("ci"), pods("keda"))
    return network_policy(NAME, NAMESPACE, NAME, ingress=(from_peers(*callers, ports=(PORT,)),))


@dataclass(frozen=True, kw_only=True)
class RedisArgs:
    """What the component needs."""

    settings: Settings


class Redis(ComponentResource):
    """Redis in the stack's graph: Flux owns its objects, the stack shows which of its files change."""

    def __init__(self, name: str, args: RedisArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Redis", name, {"files": files}, opts)
        self.register_outputs({"address": ADDRESS})
