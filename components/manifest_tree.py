"""Files of the Flux repository as values: objects by directory in, bytes by path out.

Owns: one object per file, the name of that file, `kustomization.yaml` of each directory, byte-stable YAML, the
refusal of two owners for one path.
Leaves to others: which objects (each system's file), encryption of Secrets (`sops`), pushing (`flux_repo`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

Manifest = Mapping[str, Any]
"""One Kubernetes object, as JSON-like data."""

Derive = Callable[[str], str]
"""Label ("redis/raibid-api") → the secret value of that label; the same label always gives the same value."""

SUBSTITUTE_OFF: Final = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
"""Annotation of objects whose text holds `$` for somebody else (scripts, dashboards): Flux must not replace it."""


class PathConflictError(Exception):
    """Two systems claim one path of the Flux repository."""


@dataclass(frozen=True)
class SecretManifest:
    """A Secret of the tree, encrypted when it is written; `values` turns derived passwords into its data."""

    namespace: str
    name: str
    values: Callable[[Derive], Mapping[str, str]] = field(repr=False, compare=False)
    labels: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, derive: Derive) -> Manifest:
        """The plaintext Secret: for the encrypting step only."""
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            **({"labels": dict(self.labels)} if self.labels else {}),
        }
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(self.values(derive))}


@dataclass(frozen=True)
class Tree:
    """What one system contributes: objects by directory, other files by path."""

    owner: str
    directories: Mapping[str, Sequence[Manifest | SecretManifest]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, str] = field(default_factory=dict)
    """Files written once, when nothing is there yet; they belong to whoever edits them afterwards."""


@dataclass(frozen=True)
class Emission:
    """The whole tree, flat: what is written, what is encrypted first, what is only seeded."""

    files: Mapping[str, bytes]
    secrets: Mapping[str, SecretManifest]
    seeds: Mapping[str, bytes] = field(default_factory=dict)

    def digests(self) -> dict[str, str]:
        """SHA-256 of each plain file, by path; secrets are not in it."""
        return {path: hashlib.sha256(data).hexdigest() for path, data in sorted(self.files.items())}

    def digest(self) -> str:
        """One SHA-256 over all paths, their bytes and the names of the encrypted files."""
        total = hashlib.sha256()
        for path, digest in self.digests().items():
            total.update(f"{digest}  {path}\n".encode())
        for path in sorted(self.secrets):
            total.update(f"secret  {path}\n".encode())
        return total.hexdigest()


def emit(trees: Iterable[Tree]) -> Emission:
    """All systems' trees as one.

    Raises:
        PathConflictError: two systems on one path; it names the path and both.
    """
    files: dict[str, bytes] = {}
    secrets: dict[str, SecretManifest] = {}
    seeds: dict[str, bytes] = {}
    owners: dict[str, str] = {}

    def claim(path: str, owner: str) -> str:
        if path in owners:
            raise PathConflictError(f"{path}: claimed by {owners[path]} and by {owner}; one of them must move")
        owners[path] = owner
        return path

    for tree in trees:
        for directory, objects in tree.directories.items():
            names = file_names(objects)
            for name, item in zip(names, objects, strict=True):
                path = claim(f"{directory}/{name}", tree.owner)
                if isinstance(item, SecretManifest):
                    secrets[path] = item
                else:
                    files[path] = to_yaml(item)
            if "Kustomization.kustomize.config.k8s.io" not in {kind_of(item) for item in objects}:
                files[claim(f"{directory}/kustomization.yaml", tree.owner)] = to_yaml(kustomization(names))
        for path, text in tree.files.items():
            files[claim(path, tree.owner)] = text.encode()
        for path, text in tree.seeds.items():
            seeds[claim(path, tree.owner)] = text.encode()
    return Emission(
        files=dict(sorted(files.items())), secrets=dict(sorted(secrets.items())), seeds=dict(sorted(seeds.items()))
    )


def kind_of(item: Manifest | SecretManifest) -> str:
    """`Deployment`; a kustomize file, which has no name of its own, as `Kustomization.kustomize.config.k8s.io`."""
    if isinstance(item, SecretManifest):
        return "Secret"
    local = str(item["apiVersion"]).startswith("kustomize.config.k8s.io/")
    return f"{item['kind']}.kustomize.config.k8s.io" if local else str(item["kind"])


def file_names(objects: Sequence[Manifest | SecretManifest]) -> list[str]:
    """`<kind>.yaml`, with `-<name>` where a directory holds several of a kind; `.enc.yaml` for Secrets."""
    kinds = Counter(kind_of(item) for item in objects)
    names = []
    for item in objects:
        kind = kind_of(item)
        if kind == "Kustomization.kustomize.config.k8s.io":
            names.append("kustomization.yaml")
            continue
        name = item.name if isinstance(item, SecretManifest) else item["metadata"]["name"]
        stem = kind.lower() if kinds[kind] == 1 else f"{kind.lower()}-{name}"
        # A Flux Kustomization alone in its directory must not take the name of kustomize's own file.
        stem = f"flux-{stem}" if stem == "kustomization" else stem
        names.append(f"{stem}.enc.yaml" if isinstance(item, SecretManifest) else f"{stem}.yaml")
    return names


def kustomization(resources: Iterable[str], **more: Any) -> Manifest:
    """kustomize's own file: lists what belongs to a directory; `more` are patches, images, components."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(resources),
        **more,
    }


class _Dumper(yaml.CSafeDumper):
    """Block style, keys in the order given, multi-line strings as literal blocks, no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        """Two equal values are two values: an anchor would make one file's bytes hang on object identity."""
        return True


def _string(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _string)
_Dumper.add_multi_representer(dict, lambda dumper, value: dumper.represent_dict(value.items()))
_Dumper.add_representer(tuple, lambda dumper, value: dumper.represent_list(value))


def to_yaml(value: object) -> bytes:
    """One YAML document; the same value gives the same bytes."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, explicit_start=True
    ).encode()
