"""Manifests with other values in some fields: all of the object, or these fields alone. Pure.

Owns: which parts of a live object are its description, what identifies a list's item for server-side apply.
Leaves to others: names of fields (`raibid.gitops.files.fields`), files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.fields import Match, Step, named, position, read_field, shown
from raibid.gitops.objects import Manifest, mapping, metadata_of

_SERVERS: Final = (
    "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink", "deletionTimestamp",
    "ownerReferences", "finalizers",
)  # fmt: skip
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_KEYS: Final = ("name", "containerPort", "port", "protocol", "mountPath", "devicePath", "ip", "key", "type", "uid")
"""Fields by which Kubernetes' lists of type `map` tell items apart (`x-kubernetes-list-map-keys`)."""


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
        changed = _put(changed, manifest, read_field(name), value, name)
    return dict(changed)


def only(live: Manifest, values: Mapping[str, object]) -> dict[str, Any]:
    """Which object it is, and these fields: for server-side apply, which leaves all others as they are.

    Raises:
        NotEditableError: as `with_values`; or an item of a list whose items have no names.
    """
    identity = {name: metadata_of(live)[name] for name in ("name", "namespace") if metadata_of(live).get(name)}
    changed: Any = {"apiVersion": live.get("apiVersion"), "kind": live.get("kind"), "metadata": identity}
    for name, value in values.items():
        changed = _put(changed, live, named(dict(live), read_field(name)), value, name)
    return dict(changed)


def _put(into: Any, live: Any, field: Sequence[Step], value: object, name: str) -> Any:
    if not field:
        return value
    step, rest = field[0], field[1:]
    if isinstance(step, str):
        if into is not None and not isinstance(into, Mapping):
            raise NotEditableError(f"{name}: there is no mapping that could have {step}")
        inner = live.get(step) if isinstance(live, Mapping) else None
        return {**(into or {}), step: _put((into or {}).get(step), inner, rest, value, name)}
    items = list(into) if isinstance(into, list) else []
    lived = live if isinstance(live, list) else []
    at, there = position(items, step), position(lived, step)
    if at is None:
        if not isinstance(step, Match):
            raise NotEditableError(f"{name}: {shown([step])} is no item that could be set by itself")
        items.append(_identity(lived[there] if there is not None else {}, step))
        at = len(items) - 1
    items[at] = _put(items[at], lived[there] if there is not None else None, rest, value, name)
    return items


def _identity(item: Any, step: Match) -> dict[str, Any]:
    known = mapping(item)
    return {step.key: known.get(step.key, step.value), **{key: known[key] for key in _KEYS if key in known}}
