"""What an image and a number of replicas are called in each kind: of a live object as well as of a file's.

Owns: which container is meant, which field scales.
Leaves to others: where the field is set (`edit.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.fields import Field, Match, Step, value_at
from raibid.gitops.objects import Ref

_REPLICAS: Final[dict[str, str]] = {
    "Deployment": "replicas",
    "StatefulSet": "replicas",
    "ReplicaSet": "replicas",
    "ScaledJob": "maxReplicaCount",
    "ScaledObject": "maxReplicaCount",
    "HorizontalPodAutoscaler": "maxReplicas",
}


def replicas_field(ref: Ref, manifest: Any) -> Field:
    """What scales an object: its replicas, or the most that an autoscaler may start.

    Raises:
        NotEditableError: such objects are not scaled.
    """
    own: Field = ("spec", "replicas")
    if ref.kind in _REPLICAS:
        return "spec", _REPLICAS[ref.kind]
    if value_at(manifest, own)[0]:
        return own
    hint = "set spec.values.… as its chart names it" if ref.kind == "HelmRelease" else "set the field by its name"
    raise NotEditableError(f"{ref.kind} has no number of replicas of its own", hint)


def container_field(ref: Ref, manifest: Any, name: str) -> Field:
    """The container of a name, wherever the kind keeps its pod; `name`: empty for the only one that is no init one.

    Raises:
        NotEditableError: there is none, or there are several.
    """
    if ref.kind == "HelmRelease":
        raise NotEditableError(
            f"{ref} has no containers: its chart does", "set spec.values.image.tag, or as it names it"
        )
    every = list(_containers(manifest, ()))
    found = [place for place in every if (place[-1] == Match("name", name) if name else place[-2] == "containers")]
    if len(found) == 1:
        return found[0]
    said = f"{'several' if found else 'no'} container {name}" if name else f"{len(found)} containers"
    names = ", ".join(place[-1].value for place in every if isinstance(place[-1], Match))
    raise NotEditableError(
        f"{ref} has {said}", f"its containers: {names}" if names else "deployments and the like have containers"
    )


def _containers(value: object, way: tuple[Step, ...]) -> Iterator[Field]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("containers", "initContainers") and isinstance(inner, list):
                names = (item.get("name") for item in inner if isinstance(item, dict))
                yield from ((*way, key, Match("name", str(found))) for found in names)
            else:
                yield from _containers(inner, (*way, key))
