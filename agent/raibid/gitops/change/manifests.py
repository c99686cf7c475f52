"""Manifests with other values in some fields. Pure.

Owns: which parts of a live object are its description.
Leaves to others: names of fields (`raibid.gitops.files.fields`), files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.fields import Match, Step, position, read_field, shown
from raibid.gitops.objects import Manifest, mapping, metadata_of

_SERVERS: Final = (
    "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink", "deletionTimestamp",
    "ownerReferences", "finalizers",
)  # fmt: skip
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def described(live: Manifest) -> dict[str, Any]:
    """A live object without what the API server and controllers put in: what an applier would apply."""
    metadata = {name: value for name, value in metadata_of(live).items() if name not in _SERVERS}
    annotations = {name: value for name, value in mapping(metadata.get("annotations")).items() if name != _LAST_APPLIED}
    metadata.pop("annotations", None)
    rest = {name: value for name, value in live.items() if name not in ("metadata", "status")}
    return {**rest, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def with_values(manifest: Manifest, values: Mapping[str, object]) -> dict[str, Any]:
    """The manifest with these values.

    Raises:
        NotEditableError: a field that it cannot have: a list's item that is not there, a key in a list.
    """
    changed: Any = manifest
    for name, value in values.items():
        changed = _put(changed, read_field(name), value, name)
    return dict(changed)


def over(live: Manifest, manifest: Manifest) -> dict[str, Any]:
    """A live object with a manifest on top: lists in place of lists, what the manifest does not say as it was."""
    both = {**live, **manifest}
    for name, value in manifest.items():
        if isinstance(value, Mapping) and isinstance(live.get(name), Mapping):
            both[name] = over(live[name], value)
    return both


def _put(into: Any, field: Sequence[Step], value: object, name: str) -> Any:
    if not field:
        return value
    step, rest = field[0], field[1:]
    if isinstance(step, str):
        if into is not None and not isinstance(into, Mapping):
            raise NotEditableError(f"{name}: there is no mapping that could have {step}")
        return {**(into or {}), step: _put((into or {}).get(step), rest, value, name)}
    items = list(into) if isinstance(into, list) else []
    at = position(items, step)
    if at is None:
        if not isinstance(step, Match):
            raise NotEditableError(f"{name}: {shown([step])} is no item that could be set by itself")
        items.append({step.key: step.value})
        at = len(items) - 1
    items[at] = _put(items[at], rest, value, name)
    return items
