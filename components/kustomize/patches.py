"""Changing one object by another: strategic merge and JSON 6902, as kustomize does.

Owns: how lists merge, `$patch: delete`, null as "remove", the operations of RFC 6902.
Leaves to others: which objects a patch is for (`build`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port"),
    "tolerations": (),
}
"""List → the fields by which Kubernetes' own types merge it (k8s.io/api patchMergeKey); all others are replaced."""
_BUILT_IN: Final = ("apps/", "batch/", "policy/", "networking.k8s.io/", "rbac.authorization.k8s.io/", "v1")


class PatchError(Exception):
    """A patch does not fit its object."""


def strategic_merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any] | None:
    """`target` changed by `patch`; None when the patch deletes it. Lists of custom resources are replaced whole."""
    if patch.get("$patch") == "delete":
        return None
    keyed = str(target.get("apiVersion", "")).startswith(_BUILT_IN)
    return _merged(target, patch, keyed=keyed)


def _merged(target: Mapping[str, Any], patch: Mapping[str, Any], *, keyed: bool) -> dict[str, Any]:
    result = dict(target)
    for key, value in patch.items():
        if key == "$patch":
            continue
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            old = result.get(key)
            if value.get("$patch") == "delete":
                result.pop(key, None)
            elif value.get("$patch") == "replace" or not isinstance(old, Mapping):
                result[key] = _merged({}, value, keyed=keyed)
            else:
                result[key] = _merged(old, value, keyed=keyed)
        elif isinstance(value, list) and keyed and isinstance(result.get(key), list) and _KEYS.get(key):
            result[key] = _merged_list(result[key], value, _KEYS[key])
        else:
            result[key] = copy.deepcopy(value)
    return result


def _merged_list(old: Sequence[Any], new: Sequence[Any], keys: tuple[str, ...]) -> list[Any]:
    def identity(item: Any) -> Any:
        return next((item[key] for key in keys if isinstance(item, Mapping) and key in item), item)

    before = {identity(item): item for item in old}
    merged = []
    for item in new:
        found = before.pop(identity(item), None)
        if not (isinstance(item, Mapping) and item.get("$patch") == "delete"):
            merged.append(_merged(found, item, keyed=True) if isinstance(found, Mapping) else item)
    # kustomize takes the patch's order first, then what the patch does not name.
    return merged + list(before.values())


def json_patch(target: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`target` after the operations add, replace, remove and test of RFC 6902.

    Raises:
        PatchError: a path that is not there, a test that fails, another operation.
    """
    result: dict[str, Any] = copy.deepcopy(dict(target))
    for operation in operations:
        _apply(result, operation)
    return result


def _apply(document: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = str(operation.get("path", ""))
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.lstrip("/").split("/")]
    try:
        holder: Any = document
        for part in parents:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        match operation.get("op"):
            case "add" if isinstance(holder, list):
                holder.insert(len(holder) if last == "-" else int(last), operation["value"])
            case "add":
                holder[last] = operation["value"]
            case "replace" | "remove" | "test" as name:
                place = int(last) if isinstance(holder, list) else last
                found = holder[place]  # all three want something there
                if name == "replace":
                    holder[place] = operation["value"]
                elif name == "remove":
                    del holder[place]
                elif found != operation["value"]:
                    raise PatchError(f"{path} is {found!r}, not {operation['value']!r}")
            case other:
                raise PatchError(f"operation {other!r}: only add, replace, remove and test are known")
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise PatchError(f"{operation.get('op')} {path}: nothing there") from error
