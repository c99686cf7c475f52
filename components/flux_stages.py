"""The order in which Flux applies the repository, and what of it one environment has.

Owns: the stages (Flux Kustomizations), which directories of the base belong to which, the overlays in `clusters/<env>`
with their images, the two seeded folders.
Leaves to others: what the base says (each system's file), Flux itself and the values of `cluster-vars` (`flux`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from components import agent_pod, api, apps, job_template, mirrors, scaled_job
from components.flux_objects import CLUSTER_VARS, NAMESPACE, OPERATOR_VARS, WATCHED, kustomization
from components.manifest_tree import Manifest, to_yaml
from components.manifest_tree import kustomization as directory_list
from components.settings import Image, Settings
from components.versions import IMAGES
from components.workload import config_map

APPS: Final = "apps"

_SUBSTITUTED: Final = {
    "postBuild": {
        "substituteFrom": [
            {"kind": "ConfigMap", "name": CLUSTER_VARS},
            {"kind": "ConfigMap", "name": OPERATOR_VARS, "optional": True},
        ]
    }
}
_KEPT: Final = {"deletionPolicy": "Orphan"}
"""Removing the stage from Git leaves what it applied: a slip of the pen must not delete the pool's data."""
_CHECKED: Final[Mapping[str, Mapping[str, Any]]] = {
    scaled_job.DIRECTORY: scaled_job.HEALTH,
    job_template.DIRECTORY: job_template.HEALTH,
}
"""Directories of which one object tells the health of its stage, which then does not `wait` for all of them: a claim
that waits for its first consumer counts as unfinished, and the first agent comes only after this stage."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One Flux Kustomization: what it applies, how long one attempt may take."""

    name: str
    overlay: str
    """Its directory in `clusters/<env>`."""
    bases: tuple[str, ...]
    """Directories of the base: every system's directory at or below one of them belongs to this stage."""
    timeout: str
    images: tuple[str, ...] = ()
    """Images of `versions` that its manifests name: where a digest of the stack's config goes."""
    spec: Mapping[str, Any] = field(default_factory=dict)


# Flux reports a failed health check only at the end of the timeout: short ones are what makes a rollback of an
# application possible in two minutes (spec/gitops.md 5.5); charts get the time that their images take.
STAGES: Final = (
    Stage(
        name="infra-namespaces",
        overlay="infrastructure/namespaces",
        bases=("infrastructure/namespaces",),
        timeout="2m",
        spec=_KEPT,
    ),
    Stage(
        name="infra-controllers",
        overlay="infrastructure/controllers",
        bases=("infrastructure/controllers",),
        timeout="15m",
    ),
    Stage(name="infra-policies", overlay="infrastructure/policies", bases=("infrastructure/policies",), timeout="2m"),
    Stage(
        name="infra-data",
        overlay="infrastructure/data",
        bases=("infrastructure/data",),
        timeout="5m",
        images=("redis", "registry"),
        spec=_KEPT,
    ),
    Stage(name="infra-configs", overlay="infrastructure/configs", bases=("infrastructure/configs",), timeout="5m"),
    # Before the agents: they mount its volume, and agents that cannot start must not hold back the API's updates.
    Stage(name="raibid", overlay="apps", bases=("apps/base",), timeout="90s"),
    Stage(
        name="ci-agents",
        overlay="infrastructure/ci-agents",
        bases=("infrastructure/agents", "infrastructure/keda", "infrastructure/direct"),
        timeout="2m",
    ),
)


def present(directories: Collection[str]) -> list[tuple[Stage, list[str]]]:
    """The stages that have anything to apply, each with its directories of the base."""
    found = [(stage, sorted(path for path in directories if _within(path, stage.bases))) for stage in STAGES]
    return [(stage, paths) for stage, paths in found if paths]


def chains(environment: str, directories: Collection[str]) -> dict[str, list[Manifest]]:
    """`infrastructure` and `apps` → their Flux Kustomizations: each stage waits for the one before it."""
    infrastructure: list[Manifest] = []
    applications: list[Manifest] = []
    before: list[str] = []
    for stage, paths in present(directories):
        target = applications if stage.overlay == "apps" else infrastructure
        path = f"clusters/{environment}/{stage.overlay}"
        spec = {**_SUBSTITUTED, **stage.spec, **_health(paths)}
        target.append(kustomization(stage.name, path, depends_on=before, timeout=stage.timeout, **spec))
        before = [stage.name]
    applications.append(_developers(environment, [item["metadata"]["name"] for item in infrastructure]))
    return {"infrastructure": infrastructure, "apps": applications}


def _health(directories: Iterable[str]) -> dict[str, Any]:
    """Which object of these tells that the stage is well; nothing: all that it applies."""
    checked = [_CHECKED[path] for path in directories if path in _CHECKED]
    return {"wait": False, **checked[0]} if checked else {}


def _developers(environment: str, infrastructure: Iterable[str]) -> Manifest:
    """What developers commit under `apps/<env>`: no values of the cluster, no rights but in their namespace."""
    last = [name for name in infrastructure if name.startswith("infra-")][-1:]
    return kustomization(
        APPS, f"apps/{environment}", depends_on=last, timeout="90s", serviceAccountName=apps.RECONCILER
    )


def overlays(settings: Settings, directories: Collection[str]) -> dict[str, str]:
    """`kustomization.yaml` of every stage of an environment, by path."""
    root = f"clusters/{settings.environment}"
    files = {}
    for stage, paths in present(directories):
        directory = f"{root}/{stage.overlay}"
        resources = [posixpath.relpath(path, directory) for path in paths]
        if stage.name == "raibid":
            resources += ["enrolment.yaml", "mirrors.yaml"]
        images = _images(settings, stage)
        entry = directory_list(resources, **({"images": images} if images else {}))
        files[f"{directory}/kustomization.yaml"] = to_yaml(entry).decode()
    return files


def seeds(settings: Settings) -> dict[str, str]:
    """Files written once: what belongs to operators (values, enrolment, mirrors), and the developers' own folder."""
    environment = settings.environment
    about = config_map(APPS, apps.NAMESPACE, APPS, {"about": _about(environment)})
    values = config_map(OPERATOR_VARS, NAMESPACE, "flux", {})
    values["metadata"]["labels"] |= WATCHED
    return {
        f"clusters/{environment}/{OPERATOR_VARS}.yaml": _VALUES_NOTE + to_yaml(values).decode(),
        f"clusters/{environment}/apps/enrolment.yaml": _ENROLMENT_NOTE + to_yaml(api.enrolment(settings)).decode(),
        f"clusters/{environment}/apps/mirrors.yaml": _MIRRORS_NOTE + to_yaml(mirrors.file(settings)).decode(),
        f"apps/{environment}/configmap.yaml": to_yaml(about).decode(),
        f"apps/{environment}/kustomization.yaml": to_yaml(directory_list(["configmap.yaml"])).decode(),
    }


def _about(environment: str) -> str:
    ((label, value),) = apps.TALKS.items()
    ports = f"{', '.join(map(str, apps.PORTS[:-1]))} and {apps.PORTS[-1]}"
    return (
        f"Manifests under apps/{environment} are of the namespace {apps.NAMESPACE}, and each says so; list them in\n"
        f"kustomization.yaml beside this file. Pods talk to nobody, except those with the label {label}: {value},\n"
        f"which reach each other (ports {ports}) and the outside (port 443).\n"
    )


_VALUES_NOTE: Final = """\
# Yours: written once, then never touched again by the program.
# Values here go before those of cluster-vars.yaml, which `pulumi up` writes; `raibid gitops scale` and `set` put them
# here. The same number as a text is `NAME_text`, in quotes of its own: ci_agent_max: "3", ci_agent_max_text: '"3"'.
"""
_ENROLMENT_NOTE: Final = """\
# Yours: written once, then never touched again by the program.
# What is built of which repository; `raibid` reads it when the API starts, so after a change:
#   kubectl -n ci rollout restart deployment/raibid-api
"""
_MIRRORS_NOTE: Final = """\
# Yours: written once, then never touched again by the program.
# Which repositories of other forges Gitea mirrors (docs/mirrors.md). Once a day what it asks for is made, and now by:
#   kubectl -n ci create job --from=cronjob/raibid-mirror mirror-now
"""


def _images(settings: Settings, stage: Stage) -> list[Manifest]:
    """kustomize's `images`: our own, and digests beside the tags that `versions` pins."""
    pinned = [
        {"name": IMAGES[name].where, "digest": settings.digests[name]}
        for name in stage.images
        if name in settings.digests
    ]
    own = {"ci-agents": (agent_pod.IMAGE, settings.images.agent), "raibid": (api.IMAGE, settings.images.api)}
    return [*pinned, *([_own_image(*own[stage.name])] if stage.name in own else [])]


def _own_image(name: str, image: Image) -> Manifest:
    version = {"digest": image.digest} if image.digest else {"newTag": image.tag}
    return {"name": name, "newName": image.repository, **version}


def _within(path: str, bases: Iterable[str]) -> bool:
    return any(path == base or path.startswith(f"{base}/") for base in bases)
