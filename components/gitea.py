"""Gitea and its PostgreSQL: the forge that Flux reads from, so Pulumi itself runs it, before there is any Flux.

Owns: the footprint of both, their Kubernetes objects, their Secrets.
Leaves to others: Gitea's settings (`gitea_config`), the database's container (`postgres`), what is in Gitea (its
organisation, repository, hook: `gitea_setup`), the namespace (`cluster`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi_kubernetes as k8s
from pulumi import ComponentResource, CustomResource, Input, Output, ResourceOptions

from components import api, flux_objects, postgres
from components.budget import Budget, Footprint, Workload
from components.gitea_config import HTTP_PORT, SECRET_DIRECTORY, SSH_PORT, environment, root_url
from components.manifest_tree import Manifest, Tree
from components.network import DNS, INTERNET, from_peers, network_policy, pods, to_peers
from components.scripts import script
from components.settings import Settings
from components.units import GI, size_text
from components.versions import IMAGES
from components.workload import CONTAINER_SECURITY, config_map, metadata, resources, service, stateful_set

NAME: Final = "gitea"
FLOWS: Final = (("raibid-api", "webhook: push, pull request"), ("flux", "webhook: fleet"))
"""Whom it talks to, and about what: `components graph` draws it."""
NAMESPACE: Final = "infrastructure"
SECRET: Final = "gitea"  # noqa: S105  (a name)
STORAGE_CLASS: Final = "gitea-retain"
"""Pulumi's own: `local-path-retain` comes with Flux, which needs Gitea first."""
ADMIN_LABEL: Final = "gitea/admin"
LABELS: Final = (ADMIN_LABEL, postgres.PASSWORD_LABEL, "gitea/secret-key", "gitea/internal-token", "gitea/jwt")
"""Labels of the passwords that `GiteaArgs` wants."""
_RECEIVER_PORT: Final = 9292
"""Of the pod behind Flux's Service `webhook-receiver`: a policy sees that one, not the Service's 80."""
_USER: Final = 1000
"""git in the rootless image."""


def footprint(settings: Settings) -> Footprint:
    """Gitea and its database."""
    gitea = Workload(name=NAME, namespace=NAMESPACE, cpu=1000, memory=2 * GI, disk=settings.gitea.disk)
    return Footprint(NAME, (gitea, postgres.workload(settings)))


def manifests(settings: Settings) -> Tree:
    """Nothing: what Flux reads cannot come from what Flux reads."""
    return Tree(NAME)


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """None, as there is no file that would use one."""
    return {}


def objects(settings: Settings) -> list[Manifest]:
    """What Pulumi creates, as plain manifests and in this order; the two Secrets are added with their values."""
    return [
        _storage_class(settings),
        *postgres.objects(settings),
        *_services(settings),
        config_map(f"{NAME}-scripts", NAMESPACE, NAME, {"admin.sh": script("gitea_admin")}),
        _network_policy(),
        _kept(settings, _database(settings), [postgres.PASSWORD_LABEL]),
        _kept(settings, _forge(settings), LABELS),
    ]


def _network_policy() -> Manifest:
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        # Everybody may knock: people, runners, containerd on the hosts.
        ingress=[from_peers(ports=[HTTP_PORT, SSH_PORT])],
        egress=[
            DNS,
            to_peers(pods(NAMESPACE, postgres.NAME), ports=[postgres.PORT]),
            to_peers(pods(api.NAMESPACE, api.NAME), ports=[api.PORT]),
            to_peers(pods(flux_objects.NAMESPACE), ports=[_RECEIVER_PORT]),
            # Mirrors' sources, and hooks elsewhere. Whatever a source's name says at the next fetch: nothing private.
            to_peers(INTERNET, ports=[443, 22]),
        ],
    )


def _storage_class(settings: Settings) -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": metadata(STORAGE_CLASS, None, NAME),
        "provisioner": settings.cluster.storage_provisioner,
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _services(settings: Settings) -> list[Manifest]:
    # On k3s the node itself answers on port 3000 (its service load balancer): containerd and people need no ingress.
    kind = "LoadBalancer" if settings.cluster.kind == "k3s" else "ClusterIP"
    ports = {"gitea-http": {"http": HTTP_PORT}, "gitea-ssh": {"ssh": SSH_PORT}}
    plain = [service(name, NAMESPACE, NAME, port, component=NAME) for name, port in ports.items()]
    return [{**one, "spec": {"type": kind, **one["spec"]}} for one in plain]


def _database(settings: Settings) -> Manifest:
    return stateful_set(
        postgres.workload(settings),
        system=postgres.NAME,
        user=postgres.USER,
        containers=[postgres.container(settings)],
        volumes=postgres.volumes(),
        disk=size_text(settings.gitea.database_disk),
    )


def _forge(settings: Settings) -> Manifest:
    return stateful_set(
        footprint(settings).of(NAME),
        system=NAME,
        user=_USER,
        containers=[_container(settings)],
        volumes=_volumes(),
        disk=size_text(settings.gitea.disk),
    )


def _kept(settings: Settings, base: Manifest, labels: Sequence[str]) -> Manifest:
    """A StatefulSet on Pulumi's own storage class. One replica of it is never two, which a volume would not survive."""
    name = base["metadata"]["name"]
    (claim,) = base["spec"]["volumeClaimTemplates"]
    # A new generation of a password restarts the pod that reads it; the password itself would leave a trace here.
    generation = {f"raibid.dev/{label.replace('/', '-')}": str(settings.rotation.get(label, 0)) for label in labels}
    template = base["spec"]["template"]
    spec = {
        **base["spec"],
        "template": {
            "metadata": {**template["metadata"], "annotations": generation},
            # No variables of the Services around it: GITEA_SSH_PORT=tcp://… would be taken for a setting.
            "spec": {**template["spec"], "enableServiceLinks": False},
        },
        "volumeClaimTemplates": [{**claim, "spec": {**claim["spec"], "storageClassName": STORAGE_CLASS}}],
    }
    # Without Flux' annotation: it is none of its objects.
    return {**base, "metadata": metadata(name, NAMESPACE, name), "spec": spec}


def _container(settings: Settings) -> Manifest:
    alive = {"httpGet": {"path": "/api/healthz", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5}
    return {
        "name": NAME,
        "image": IMAGES["gitea"].pinned(settings.digests.get("gitea", "")),
        "env": environment(settings),
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT},
            {"name": "ssh", "containerPort": SSH_PORT},
        ],
        "resources": resources(footprint(settings).of(NAME)),
        "securityContext": dict(CONTAINER_SECURITY),
        "lifecycle": {"postStart": {"exec": {"command": ["/bin/sh", "/etc/raibid/scripts/admin.sh"]}}},
        # The first start migrates the database.
        "startupProbe": {**alive, "failureThreshold": 30},
        "readinessProbe": alive,
        "livenessProbe": {**alive, "failureThreshold": 6},
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/gitea"},
            # app.ini is made from the environment at each start.
            {"name": "config", "mountPath": "/etc/gitea"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (in the pod)
            {"name": "secret", "mountPath": SECRET_DIRECTORY, "readOnly": True},
            {"name": "scripts", "mountPath": "/etc/raibid/scripts", "readOnly": True},
        ],
    }


def _volumes() -> list[Manifest]:
    return [
        {"name": "config", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "10Gi"}},  # uploads of images and of large pushes
        {"name": "secret", "secret": {"secretName": SECRET, "defaultMode": 0o440}},
        {"name": "scripts", "configMap": {"name": f"{NAME}-scripts"}},
    ]


def jwt_key(password: str) -> str:
    """A derived password as Gitea wants its JWT keys: 32 bytes, base64url without padding."""
    return base64.urlsafe_b64encode(bytes.fromhex(password)).rstrip(b"=").decode()


@dataclass(frozen=True, kw_only=True)
class GiteaArgs:
    """What the component needs."""

    settings: Settings
    passwords: Mapping[str, Input[str]]
    """By label, all of `LABELS`; empty while the stack has no seed: then there are no Secrets and no pod starts."""
    objects: ResourceOptions
    """Provider, dependencies and `deleted_with` of everything in the cluster (`Cluster.objects`)."""


class Gitea(ComponentResource):
    """The forge. Its StatefulSets are protected: with them gone, so is the repository that the cluster is made of."""

    url: Output[str]
    """Under which everybody knows it."""
    api: Output[str]
    """Where the machine that runs Pulumi reaches it."""
    stateful_sets: tuple[CustomResource, ...]
    """What has to be ready before anything is set up in Gitea."""

    def __init__(self, name: str, args: GiteaArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("raibid:components:Gitea", name, {}, opts)
        child = ResourceOptions.merge(args.objects, ResourceOptions(parent=self))
        secrets = [
            k8s.core.v1.Secret(
                f"{name}-secret-{secret}",
                metadata=k8s.meta.v1.ObjectMetaArgs(**metadata(secret, NAMESPACE, NAME)),
                string_data={key: Output.secret(value) for key, value in values.items()},
                opts=child,
            )
            for secret, values in _secrets(args.passwords).items()
        ]
        manifests = objects(args.settings)
        made = [_create(name, item, child) for item in manifests if item["kind"] != "StatefulSet"]
        kept = ResourceOptions.merge(child, ResourceOptions(protect=True, depends_on=[*made, *secrets]))
        self.stateful_sets = tuple(_create(name, item, kept) for item in manifests if item["kind"] == "StatefulSet")
        self.url = Output.from_input(root_url(args.settings).rstrip("/"))
        self.api = Output.from_input(api_url(args.settings))
        self.register_outputs({"url": self.url, "api": self.api})


def api_url(settings: Settings) -> str:
    """On k3s by the node that Pulumi reaches anyway; elsewhere by Gitea's name, which its owner makes resolve."""
    if settings.cluster.kind == "k3s":
        return f"http://{settings.nodes[0].host}:{HTTP_PORT}"
    return root_url(settings).rstrip("/")


def _secrets(passwords: Mapping[str, Input[str]]) -> dict[str, dict[str, Input[str]]]:
    if not passwords:
        return {}
    keys = {label.partition("/")[2]: passwords[label] for label in LABELS}
    keys["jwt"] = Output.from_input(keys["jwt"]).apply(jwt_key)
    return {SECRET: keys, postgres.SECRET: {"password": passwords[postgres.PASSWORD_LABEL]}}


_CLASSES: Final[Mapping[str, Callable[[], Callable[..., CustomResource]]]] = {
    "StorageClass": lambda: k8s.storage.v1.StorageClass,
    "Service": lambda: k8s.core.v1.Service,
    "ConfigMap": lambda: k8s.core.v1.ConfigMap,
    "NetworkPolicy": lambda: k8s.networking.v1.NetworkPolicy,
    "StatefulSet": lambda: k8s.apps.v1.StatefulSet,
}
"""Kind → its class, called lazily: the first look at one costs half a second."""


def _create(name: str, manifest: Manifest, opts: ResourceOptions) -> CustomResource:
    fields: dict[str, Any] = {
        re.sub("([A-Z])", r"_\1", key).lower(): value
        for key, value in manifest.items()
        if key not in ("apiVersion", "kind")
    }
    logical = f"{name}-{manifest['kind'].lower()}-{manifest['metadata']['name']}"
    return _CLASSES[manifest["kind"]]()(logical, **fields, opts=opts)
