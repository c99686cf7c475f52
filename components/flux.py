"""Flux: makes the cluster what the repository says, and keeps it so.

Owns: the Flux Operator and the FluxInstance (live objects of Pulumi's: whoever applies the tree cannot come out of the
tree), what Flux's controllers cost, an environment's own files in `clusters/<env>`.
Leaves to others: the live Secrets that Flux reads (`cluster`), which stages there are and in which order
(`flux_stages`), the push (`flux_repo`), alerts and receivers (`notifications`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi_kubernetes as k8s
from pulumi import ComponentResource, ResourceOptions

from components import flux_stages, gitea_config
from components.budget import Budget, Footprint, Workload
from components.flux_objects import CLUSTER_VARS, NAMESPACE, OPERATOR_VARS, WATCHED
from components.manifest_tree import Manifest, Tree, kustomization, to_yaml
from components.settings import Settings
from components.units import MI
from components.versions import CHARTS, FLUX, IMAGES
from components.workload import metadata, resources

NAME: Final = "flux"
FLOWS: Final = (("gitea", "pulls the fleet"), ("monitoring", "failed releases"), ("raibid-rollback", "failures"))
"""Whom it talks to, and about what: `components graph` draws it."""
OPERATOR: Final = "flux-operator"
GIT_CREDENTIAL: Final = "fleet-git"
"""Secret with Flux's user and password at the forge; Pulumi keeps it (`cluster`)."""
_REGISTRY: Final = f"{IMAGES[OPERATOR].where.partition('/')[0]}/fluxcd"
"""Flux's own images lie beside the operator's."""

_APPLIES: Final = "kustomize-controller"
_FLAGS: Final = (
    # A kustomization.yaml must not fetch from anywhere else: what is applied is what was reviewed.
    "--no-remote-bases=true",
    # A newer commit ends the wait for an older one: a fix need not sit out the timeout of what it fixes. And a `${…}`
    # without a value is an error, not an empty string.
    "--feature-gates=CancelHealthCheckOnNewRevision=true,StrictPostBuildSubstitutions=true",
    "--requeue-dependency=5s",
)


def footprint(settings: Settings) -> Footprint:
    """The operator and four controllers; helm-controller holds whole charts in memory."""
    sizes = {
        OPERATOR: (100, 256),
        "source-controller": (100, 256),
        _APPLIES: (150, 512),
        "helm-controller": (100, 512),
        "notification-controller": (50, 128),
    }
    return Footprint(
        NAME,
        tuple(
            Workload(name=name, namespace=NAMESPACE, cpu=cpu, memory=memory * MI)
            for name, (cpu, memory) in sizes.items()
        ),
    )


def manifests(settings: Settings) -> Tree:
    """None in the base: what Flux needs of its own is the environment's (`cluster_tree`)."""
    return Tree(NAME, {})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """The same everywhere."""
    return {}


def cluster_tree(settings: Settings, variables: Mapping[str, str], directories: Collection[str]) -> Tree:
    """`clusters/<env>`: values, stages and overlays of one environment; `directories`: those of its systems."""
    environment = settings.environment
    root = f"clusters/{environment}"
    stages = flux_stages.chains(environment, directories)
    instance = _INSTANCE_NOTE.format(root=root) + to_yaml(flux_instance(settings)).decode()
    values = [f"{name}.yaml" for name in (CLUSTER_VARS, OPERATOR_VARS)]
    files = {
        f"{root}/kustomization.yaml": _text(kustomization([*values, *(f"{name}.yaml" for name in stages)])),
        f"{root}/cluster-vars.yaml": _text(_cluster_vars(variables)),
        **{f"{root}/{name}.yaml": _text(*objects) for name, objects in stages.items()},
        **flux_stages.overlays(settings, directories),
        f"{root}/flux-system/flux-instance.yaml": instance,
        f"{root}/flux-system/kustomization.yaml": _text(kustomization(["flux-instance.yaml"])),
    }
    return Tree(NAME, files=files, seeds=flux_stages.seeds(settings))


_INSTANCE_NOTE: Final = """\
# For rebuilding by hand (`kubectl apply -k {root}/flux-system`, after the operator and the live Secrets).
# The live object is Pulumi's, so no stage lists this file: one object has one owner.
"""


def git_url(settings: Settings) -> str:
    """Where Flux fetches the repository: inside the cluster, past names and certificates, unless it is kept elsewhere.

    Only what source-controller can speak counts as elsewhere: a path on the machine that pushes does not.
    """
    if settings.fleet.url.startswith(("https://", "http://", "ssh://")):
        return settings.fleet.url
    return f"{gitea_config.INSIDE}/{settings.gitea.organisation}/{settings.fleet.name}.git"


def flux_instance(settings: Settings) -> Manifest:
    """Which Flux runs, with which flags, and what it follows."""
    return {
        "apiVersion": "fluxcd.controlplane.io/v1",
        "kind": "FluxInstance",
        "metadata": metadata(
            "flux",
            NAMESPACE,
            NAME,
            **{
                "fluxcd.controlplane.io/reconcileEvery": "1h",
                "fluxcd.controlplane.io/reconcileTimeout": "5m",
            },
        ),
        "spec": {
            "distribution": {"version": FLUX, "registry": _REGISTRY},
            "components": [item.name for item in footprint(settings).workloads if item.name != OPERATOR],
            "cluster": {"type": "kubernetes", "size": "small", "multitenant": False, "networkPolicy": True},
            "sync": {
                "kind": "GitRepository",
                "url": git_url(settings),
                "ref": f"refs/heads/{settings.fleet.branch}",
                "path": f"clusters/{settings.environment}",
                "pullSecret": GIT_CREDENTIAL,
                "interval": "1m",
            },
            "kustomize": {"patches": _patches(footprint(settings))},
        },
    }


def _patches(footprint: Footprint) -> list[Manifest]:
    # A JSON patch, since it fails where a strategic merge that misses its target changes nothing and says nothing.
    container = "/spec/template/spec/containers/0"
    patches: list[Manifest] = []
    for workload in footprint.workloads:
        if workload.name == OPERATOR:
            continue
        operations: list[Manifest] = [{"op": "replace", "path": f"{container}/resources", "value": resources(workload)}]
        if workload.name == _APPLIES:
            operations += [{"op": "add", "path": f"{container}/args/-", "value": flag} for flag in _FLAGS]
        target = {"kind": "Deployment", "name": workload.name}
        patches.append({"target": target, "patch": to_yaml(operations).decode().removeprefix("---\n")})
    return patches


def _cluster_vars(variables: Mapping[str, str]) -> Manifest:
    base = metadata(CLUSTER_VARS, NAMESPACE, NAME)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**base, "labels": {**base["labels"], **WATCHED}},
        "data": dict(sorted(variables.items())),
    }


def _text(*objects: Manifest) -> str:
    return "".join(to_yaml(item).decode() for item in objects)


def operator_values(settings: Settings) -> Mapping[str, Any]:
    """Values of the operator's chart."""
    # Half a minute, for `flux_resource_info` to be as fresh as an alert needs it; the default is five.
    return {"resources": resources(footprint(settings).of(OPERATOR)), "reporting": {"interval": "30s"}}


@dataclass(frozen=True, kw_only=True)
class FluxArgs:
    """What the component needs."""

    settings: Settings
    objects: ResourceOptions
    """Options of everything in the cluster: its provider, and what must be there first (namespaces, live Secrets)."""


class Flux(ComponentResource):
    """The operator, then the instance that it installs Flux by."""

    url: str
    """The repository that is followed."""

    def __init__(self, name: str, args: FluxArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("raibid:components:Flux", name, {}, opts)
        child = ResourceOptions.merge(args.objects, ResourceOptions(parent=self))
        chart = CHARTS[OPERATOR]
        operator = k8s.helm.v3.Release(
            f"{name}-operator",
            name=OPERATOR,
            namespace=NAMESPACE,
            chart=chart.repository,
            version=chart.version,
            values=operator_values(args.settings),
            timeout=300,
            opts=child,
        )
        instance = flux_instance(args.settings)
        k8s.apiextensions.CustomResource(
            f"{name}-instance",
            api_version=instance["apiVersion"],
            kind=instance["kind"],
            metadata=instance["metadata"],
            spec=instance["spec"],
            opts=ResourceOptions.merge(child, ResourceOptions(depends_on=[operator])),
        )
        self.url = git_url(args.settings)
        self.register_outputs({"url": self.url})
