"""PostgreSQL: Gitea's database, from the official image.

Owns: its objects as values: StatefulSet, Service, network policy, the script that follows a rotated password.
Leaves to others: creating them (`gitea`, which needs them before Flux), the password (`secret_values`), backups of it
(docs/host.md).
"""

from __future__ import annotations

from typing import Final

from components.budget import Workload
from components.manifest_tree import Manifest
from components.network import from_peers, network_policy, pods
from components.scripts import script
from components.settings import Settings
from components.units import GI
from components.versions import IMAGES
from components.workload import CONTAINER_SECURITY, config_map, resources, service

NAME: Final = "postgres"
NAMESPACE: Final = "infrastructure"
HOST: Final = "postgres.infrastructure.svc.cluster.local:5432"
SECRET: Final = "gitea-database"  # noqa: S105  (a name)
PASSWORD_LABEL: Final = "gitea/database"  # noqa: S105  (a label)
PORT: Final = 5432
USER: Final = 70
"""postgres in the alpine image."""
_SECRET_DIRECTORY: Final = "/etc/raibid/secret"  # noqa: S105  (a path)


def workload(settings: Settings) -> Workload:
    """Half a core and a gibibyte: a few dozen repositories' metadata."""
    return Workload(name=NAME, namespace=NAMESPACE, cpu=500, memory=1 * GI, disk=settings.gitea.database_disk)


def objects(settings: Settings) -> list[Manifest]:
    """Service, script and network policy; the StatefulSet is `container` and `volumes` in `gitea.kept`."""
    return [
        service(NAME, NAMESPACE, NAME, {"postgres": PORT}),
        config_map(f"{NAME}-scripts", NAMESPACE, NAME, {"password.sh": script("postgres_password")}),
        network_policy(NAME, NAMESPACE, NAME, ingress=[from_peers(pods(NAMESPACE, "gitea"), ports=[PORT])], egress=[]),
    ]


def container(settings: Settings) -> Manifest:
    """The container: nothing but its volume and its socket's directory can be written."""
    ready = {"exec": {"command": ["pg_isready", "-q", "-h", "127.0.0.1"]}, "periodSeconds": 10, "timeoutSeconds": 5}
    return {
        "name": NAME,
        "image": IMAGES["postgres"].pinned(settings.digests.get("postgres", "")),
        "env": [
            {"name": "POSTGRES_USER", "value": "gitea"},
            {"name": "POSTGRES_DB", "value": "gitea"},
            {"name": "POSTGRES_PASSWORD_FILE", "value": f"{_SECRET_DIRECTORY}/password"},
            # A directory below the volume: initdb refuses one that holds lost+found.
            {"name": "PGDATA", "value": "/data/pgdata"},
        ],
        "ports": [{"name": "postgres", "containerPort": PORT}],
        "resources": resources(workload(settings)),
        "securityContext": dict(CONTAINER_SECURITY),
        "lifecycle": {"postStart": {"exec": {"command": ["/bin/sh", "/etc/raibid/scripts/password.sh"]}}},
        "readinessProbe": ready,
        "livenessProbe": {**ready, "failureThreshold": 6},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "socket", "mountPath": "/var/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (in the pod)
            {"name": "secret", "mountPath": _SECRET_DIRECTORY, "readOnly": True},
            {"name": "scripts", "mountPath": "/etc/raibid/scripts", "readOnly": True},
        ],
    }


def volumes() -> list[Manifest]:
    """What the container mounts beside its data."""
    return [
        {"name": "socket", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "secret", "secret": {"secretName": SECRET, "defaultMode": 0o440}},
        {"name": "scripts", "configMap": {"name": f"{NAME}-scripts"}},
    ]
