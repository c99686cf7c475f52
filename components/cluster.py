"""The cluster as Pulumi sees it: the way in, and the few objects that must be there before Flux can work.

Owns: the Kubernetes provider and its options, the namespaces that precede Flux, the three live Secrets (age key, Flux's
Git credential, the receiver's token): everything else that is secret lies encrypted in the Flux repository.
Leaves to others: who installs the cluster (`k3s`), Gitea in it (`gitea`), Flux (`flux`), quotas and all other
namespaces (`namespaces`, applied by Flux).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi_kubernetes as k8s
from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions

from components.flux_objects import NAMESPACE as FLUX
from components.flux_objects import SOPS_AGE, WATCHED
from components.namespaces import FLUX_OWNED, POD_SECURITY, pod_security_labels
from components.secret_values import derived
from components.settings import Settings, StackSecrets

NAMESPACES: Final = tuple(name for name in POD_SECURITY if name not in FLUX_OWNED)
"""They precede Flux."""
GIT_CREDENTIAL: Final = "fleet-git"
GIT_USER: Final = "flux"
GIT_LABEL: Final = "gitea/flux"
RECEIVER_TOKEN: Final = "webhook-token"  # noqa: S105  (a name)
RECEIVER_LABEL: Final = "flux/receiver"


@dataclass(frozen=True, kw_only=True)
class LiveSecret:
    """A Secret in flux-system that Pulumi itself keeps."""

    name: str
    data: Mapping[str, Input[str]]


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What the component needs."""

    settings: Settings
    kubeconfig: Input[str] | None
    """Its text, secret; None: the machine's own (KUBECONFIG, ~/.kube/config)."""
    secrets: StackSecrets
    deleted_with: Resource | None = None
    """What takes every object with it when it goes: then nothing is asked of a cluster that is gone."""


class Cluster(ComponentResource):
    """Provider, namespaces, live Secrets. Whatever else Pulumi puts into the cluster is given `objects` as options."""

    provider: k8s.Provider
    objects: ResourceOptions
    """Options for objects that need the namespaces: provider, dependencies, `deleted_with`."""

    def __init__(self, name: str, args: ClusterArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("raibid:components:Cluster", name, {}, opts)
        self.provider = k8s.Provider(
            f"{name}-provider",
            kubeconfig=args.kubeconfig,
            context=args.settings.cluster.context or None,
            # Without it a kubeconfig that is not known yet plans the replacement of everything behind it.
            cluster_identifier=args.settings.environment,
            enable_server_side_apply=True,
            # Names here are fixed: a changed Secret is updated, not replaced.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=ResourceOptions(parent=self, deleted_with=args.deleted_with),
        )
        child = ResourceOptions(parent=self, provider=self.provider, deleted_with=args.deleted_with)
        namespaces = [
            k8s.core.v1.Namespace(
                f"{name}-namespace-{namespace}",
                metadata={"name": namespace, "labels": pod_security_labels(namespace)},
                # A namespace takes its volumes' claims with it.
                opts=ResourceOptions.merge(child, ResourceOptions(protect=True)),
            )
            for namespace in NAMESPACES
        ]
        self.objects = ResourceOptions(provider=self.provider, depends_on=namespaces, deleted_with=args.deleted_with)
        for secret in live_secrets(args.settings, args.secrets):
            k8s.core.v1.Secret(
                f"{name}-secret-{secret.name}",
                metadata={"name": secret.name, "namespace": FLUX, "labels": dict(WATCHED)},
                string_data={key: Output.secret(value) for key, value in secret.data.items()},
                opts=ResourceOptions.merge(child, ResourceOptions(depends_on=namespaces)),
            )
        self.register_outputs({"namespaces": list(NAMESPACES)})


def live_secrets(settings: Settings, secrets: StackSecrets) -> list[LiveSecret]:
    """The Secrets whose value is there; one without it is left out, not created empty."""

    def password(label: str) -> Output[str] | None:
        return derived(secrets.seed, settings, label) if secrets.seed else None

    git = secrets.git_password if settings.fleet.url else password(GIT_LABEL)
    wanted: list[tuple[str, dict[str, Input[str]], Output[str] | None, str]] = [
        (SOPS_AGE, {}, secrets.age_key, "age.agekey"),
        (GIT_CREDENTIAL, {"username": GIT_USER}, git, "password"),
        (RECEIVER_TOKEN, {}, password(RECEIVER_LABEL), "token"),
    ]
    return [
        LiveSecret(name=name, data={**plain, key: value}) for name, plain, value, key in wanted if value is not None
    ]
