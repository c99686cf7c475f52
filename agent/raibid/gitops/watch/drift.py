"""What somebody has changed by hand in an object that Git owns: fields that a kubectl took over.

Owns: reading `managedFields`.
Leaves to others: undoing it, which the applier does when it looks next.

The API server notes who set each field last. A field that an applier had set and a person changed is the person's,
until the applier takes it back; kustomize-controller itself tells drift by the same managers (`kubectl*`, fluxcd/pkg
ssa). What another controller sets, such as an autoscaler's replicas, is nobody's drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from raibid.gitops.objects import Manifest, mapping, mappings, metadata_of, text

_BY_HAND: Final = ("kubectl", "before-first-apply")
_IGNORED: Final = ("status", "metadata.managedFields")


def drift(manifest: Manifest) -> list[str]:
    """A line for each manager that is a person: `kubectl-edit has set spec.replicas`."""
    found = []
    for entry in mappings(metadata_of(manifest).get("managedFields")):
        manager = text(entry.get("manager"))
        if entry.get("subresource") == "status" or not manager.startswith(_BY_HAND):
            continue
        fields = [path for path in paths(mapping(entry.get("fieldsV1"))) if not path.startswith(_IGNORED)]
        if fields:
            found.append(f"{manager} has set {', '.join(fields)}")
    return found


def paths(fields: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The leaves of `fieldsV1`, as one writes them: `spec.template.spec.containers[name=web].image`."""
    for key, below in fields.items():
        if key == ".":
            continue
        path = f"{above}{_step(key, above)}"
        deeper = list(paths(mapping(below), path))
        yield from deeper or (path,)


def _step(key: str, above: str) -> str:
    kind, _, name = key.partition(":")
    if kind == "f":
        return f".{name}" if above else name
    if kind == "k":
        return f"[{','.join(f'{part}={value}' for part, value in _key(name).items())}]"
    return f"[{name}]"


def _key(name: str) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(name))
    except ValueError:
        return {name: ""}
