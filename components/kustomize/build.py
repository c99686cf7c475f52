"""What Flux would apply: `kustomize build` and post-build substitution, as far as the emitted repository needs them.

Owns: resources, components, patches (strategic merge and JSON 6902, by path or inline), images, namespace; `${…}`.
Leaves to others: every other field of kustomize, which is refused by name; decryption; what is good (`policies`).
Checked against `kubectl kustomize` and against Flux's own rules for substitution (fluxcd/pkg/envsubst).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from components.kustomize.patches import PatchError, json_patch, strategic_merge
from components.manifest_tree import SUBSTITUTE_OFF, Manifest, to_yaml

_FILE: Final = "kustomization.yaml"
_FIELDS: Final = {
    "apiVersion", "kind", "metadata", "resources", "components", "patches", "images", "namespace",
}  # fmt: skip
_CLUSTER_WIDE: Final = {
    "Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "StorageClass", "PriorityClass",
    "RuntimeClass", "ClusterIssuer", "Bundle", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    "PersistentVolume",
}  # fmt: skip
_ENCRYPTED: Final = ".enc.yaml"
# fluxcd/pkg/envsubst: `$${x}` is a literal `${x}`; of its functions only defaults are in use here.
_VARIABLE: Final = re.compile(r"(?P<escape>\$)?\$\{(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)(?::?[=-](?P<default>[^}]*))?\}")


class KustomizeError(Exception):
    """The tree cannot be built as Flux would build it."""


@dataclass(frozen=True)
class Built:
    """One object as it would be applied, and the file that it came from."""

    path: str
    manifest: Manifest


def build(files: Mapping[str, bytes], directory: str) -> list[Built]:
    """The objects of a directory of the tree, in the order of its `resources`.

    Encrypted files that are listed but not there are passed over: a render without keys writes none.

    Raises:
        KustomizeError: a file is missing or unreadable, or uses a field that this builder does not know.
    """
    return _build(files, posixpath.normpath(directory), ())


def _build(files: Mapping[str, bytes], directory: str, parents: tuple[str, ...]) -> list[Built]:
    if directory in parents:
        raise KustomizeError(f"{directory}: lists itself, by way of {' -> '.join(parents)}")
    here = posixpath.join(directory, _FILE)
    if here not in files:
        raise KustomizeError(f"{directory}: no {_FILE} there")
    (entry,) = documents(here, files[here])
    if unknown := sorted(entry.keys() - _FIELDS):
        raise KustomizeError(f"{here}: {', '.join(unknown)}: not among {', '.join(sorted(_FIELDS))}")
    built: list[Built] = []
    for resource in entry.get("resources") or ():
        built += _resource(files, posixpath.normpath(posixpath.join(directory, resource)), (*parents, directory))
    for component in entry.get("components") or ():
        path = posixpath.normpath(posixpath.join(directory, component))
        built = _transformed(files, path, _component(files, path), built)
    return _transformed(files, directory, entry, built)


def _resource(files: Mapping[str, bytes], path: str, parents: tuple[str, ...]) -> list[Built]:
    if path in files:
        return [Built(path, manifest) for manifest in documents(path, files[path])]
    if path.endswith(_ENCRYPTED):
        return []
    if not path.endswith((".yaml", ".yml")):
        return _build(files, path, parents)
    raise KustomizeError(f"{path}: listed by {parents[-1]}/{_FILE}, but not there")


def _component(files: Mapping[str, bytes], path: str) -> Manifest:
    here = posixpath.join(path, _FILE)
    if here not in files:
        raise KustomizeError(f"{path}: no {_FILE} there")
    (entry,) = documents(here, files[here])
    return entry


def _transformed(files: Mapping[str, bytes], directory: str, entry: Manifest, built: Sequence[Built]) -> list[Built]:
    result = list(built)
    for patch in entry.get("patches") or ():
        result = _patched(files, directory, patch, result)
    for image in entry.get("images") or ():
        result = [replace(item, manifest=_with_image(item.manifest, image)) for item in result]
    if namespace := entry.get("namespace"):
        result = [replace(item, manifest=_moved(item.manifest, namespace)) for item in result]
    return result


def _patched(files: Mapping[str, bytes], directory: str, patch: Manifest, built: Sequence[Built]) -> list[Built]:
    where, text = f"{directory}/{_FILE}", patch.get("patch")
    if path := patch.get("path"):
        where = posixpath.normpath(posixpath.join(directory, path))
        if where not in files:
            raise KustomizeError(f"{where}: a patch of {directory}/{_FILE}, but not there")
        text = files[where].decode()
    change = yaml.load(text or "", yaml.CSafeLoader)
    target = patch.get("target") or (_identity(change) if isinstance(change, dict) else {})
    hits = [item for item in built if _selected(item.manifest, target)]
    if not hits:
        raise KustomizeError(f"{where}: the patch matches no object: {dict(target)}")
    result: list[Built] = []
    for item in built:
        if item not in hits:
            result.append(item)
            continue
        try:
            patched = (
                json_patch(item.manifest, change)
                if isinstance(change, list)
                else strategic_merge(item.manifest, _anonymous(change, item.manifest))
            )
        except PatchError as error:
            raise KustomizeError(f"{where}: {error}") from error
        if patched is not None:
            result.append(replace(item, manifest=_tidied(patched)))
    return result


def _tidied(manifest: Mapping[str, Any]) -> Manifest:
    """As kustomize leaves it: no empty labels or annotations."""
    metadata = {k: v for k, v in manifest["metadata"].items() if v or k not in ("labels", "annotations")}
    return {**manifest, "metadata": metadata}


def _identity(manifest: Manifest) -> Manifest:
    metadata = manifest.get("metadata") or {}
    group, slash, version = str(manifest.get("apiVersion", "")).partition("/")
    given = {
        "group": group if slash else "",
        "version": version if slash else group,
        "kind": manifest.get("kind"),
        "name": re.escape(str(metadata.get("name", ""))),
        "namespace": metadata.get("namespace"),
    }
    return {key: value for key, value in given.items() if value}


def _anonymous(change: Manifest, target: Manifest) -> Manifest:
    """A patch with a target may carry any name: the object keeps its own."""
    metadata = {k: v for k, v in (change.get("metadata") or {}).items() if k not in ("name", "namespace")}
    return {**change, "apiVersion": target["apiVersion"], "kind": target["kind"], "metadata": metadata}


def _selected(manifest: Manifest, target: Manifest) -> bool:
    own = {**_identity(manifest), "name": manifest["metadata"]["name"]}
    for key in ("group", "version", "kind", "name", "namespace"):
        # kustomize reads these as anchored regular expressions.
        if key in target and not re.fullmatch(str(target[key]), str(own.get(key, ""))):
            return False
    wanted = dict(part.split("=", 1) for part in str(target.get("labelSelector", "")).split(",") if part)
    labels = manifest["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def _with_image(value: Any, image: Manifest) -> Any:
    """Every `image:` of that name under `containers`, with the new name, tag or digest."""
    if isinstance(value, list):
        return [_with_image(item, image) for item in value]
    if not isinstance(value, Mapping):
        return value
    changed = {key: _with_image(item, image) for key, item in value.items()}
    for key in ("containers", "initContainers"):
        for container in changed.get(key) or ():
            if isinstance(container, dict) and "image" in container:
                container["image"] = _renamed(str(container["image"]), image)
    return changed


def _renamed(reference: str, image: Manifest) -> str:
    bare, _, _ = reference.partition("@")
    name, colon, tag = bare.rpartition(":") if ":" in bare.rpartition("/")[2] else (bare, "", "")
    if name != image["name"]:
        return reference
    new = str(image.get("newName", name))
    if digest := image.get("digest"):
        # kustomize drops the tag unless newTag is given beside the digest.
        return f"{new}:{image['newTag']}@{digest}" if image.get("newTag") else f"{new}@{digest}"
    return f"{new}:{image['newTag']}" if image.get("newTag") else f"{new}{colon}{tag}"


def _moved(manifest: Manifest, namespace: str) -> Manifest:
    if manifest.get("kind") in _CLUSTER_WIDE:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def documents(path: str, data: bytes) -> list[Manifest]:
    """The documents of a YAML file.

    Raises:
        KustomizeError: not YAML, or not Kubernetes objects.
    """
    try:
        found = [item for item in yaml.load_all(data, yaml.CSafeLoader) if item is not None]
    except yaml.YAMLError as error:
        raise KustomizeError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not found or not all(isinstance(item, dict) and "kind" in item for item in found):
        raise KustomizeError(f"{path}: not a Kubernetes object")
    return found


def substitute(manifest: Manifest, variables: Mapping[str, str]) -> Manifest:
    """The object after Flux's `postBuild.substituteFrom`: over its YAML, so that `${n}` may become a number.

    Raises:
        KustomizeError: a variable that is neither given nor has a default (Flux would put nothing in its place).
    """
    metadata = manifest.get("metadata") or {}
    ((key, off),) = SUBSTITUTE_OFF.items()
    if (metadata.get("annotations") or {}).get(key) == off or (metadata.get("labels") or {}).get(key) == off:
        return manifest

    def value(match: re.Match[str]) -> str:
        if match["escape"]:
            return match[0][1:]
        name, default = match["name"], match["default"]
        if name in variables:
            return variables[name]
        if default is None:
            raise KustomizeError(f"{manifest['kind']} {metadata.get('name')}: ${{{name}}} is not defined")
        return default

    text = to_yaml(manifest).decode()
    if "${" not in text:
        return manifest
    result: Manifest = yaml.load(_VARIABLE.sub(value, text), yaml.CSafeLoader)
    return result


def placeholders(manifest: Manifest) -> Iterator[str]:
    """Names of the variables that an object asks for."""
    for match in _VARIABLE.finditer(to_yaml(manifest).decode()):
        if not match["escape"]:
            yield match["name"]
