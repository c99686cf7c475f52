"""Where things are in a Kubernetes object, whatever its kind.

Owns: the pod template of every kind that has one, its containers, an object's name for people.
Leaves to others: what ought to be there (`rules`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Manifest = Mapping[str, Any]
"""One Kubernetes object, as JSON-like data."""

_NOTHING: Final[Manifest] = {}

POD_SPECS: Final[Mapping[str, tuple[str, ...]]] = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "ScaledJob": ("spec", "jobTargetRef", "template", "spec"),
}
"""Kind → where its pod's spec is."""


def section(value: Manifest, *path: str) -> Manifest:
    """The mapping at a path; an empty one where nothing is there."""
    for key in path:
        value = value.get(key) or _NOTHING
    return value


def pod_spec(manifest: Manifest) -> Manifest | None:
    """The spec of the pods that an object starts; None for objects that start none."""
    path = POD_SPECS.get(str(manifest.get("kind")))
    return section(manifest, *path) if path else None


def containers(manifest: Manifest) -> Iterator[Manifest]:
    """The containers of an object's pods, init containers first."""
    spec = pod_spec(manifest) or _NOTHING
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def group(manifest: Manifest) -> str:
    """The API group: "apps", "helm.toolkit.fluxcd.io"; "" for core."""
    first, slash, _ = str(manifest.get("apiVersion", "")).partition("/")
    return first if slash else ""


def namespace(manifest: Manifest) -> str:
    """The object's namespace; "" when it has none or leaves it to whoever applies it."""
    return str(section(manifest, "metadata").get("namespace") or "")


def name(manifest: Manifest) -> str:
    """The object's name."""
    return str(section(manifest, "metadata").get("name") or "")


def annotation(manifest: Manifest, key: str) -> str:
    """One of the object's annotations; "" when it has none of that name."""
    return str(section(manifest, "metadata", "annotations").get(key, ""))


def title(manifest: Manifest) -> str:
    """The object for people: `StatefulSet infrastructure/redis`."""
    full_name = "/".join(part for part in (namespace(manifest), name(manifest)) if part)
    return f"{manifest.get('kind', '?')} {full_name}".rstrip()
