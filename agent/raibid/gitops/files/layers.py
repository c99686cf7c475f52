"""Kustomizations, and the objects that go through them.

Owns: a kustomization file, generators, an object with its way and the names that it has had.
Leaves to others: finding them (`walk.py`), what patches do to an object (`transforms.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from raibid.gitops.files.documents import Document, Draft, one_document
from raibid.gitops.files.patterns import joined
from raibid.gitops.objects import Ref, group_of, mapping

NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}")
_CLUSTER_SCOPED: Final = frozenset(
    {
        "APIService", "ClusterRole", "ClusterRoleBinding", "CSIDriver", "CSINode", "CustomResourceDefinition",
        "IngressClass", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume", "PriorityClass",
        "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration", "VolumeAttachment",
    }
)  # fmt: skip
_GENERATORS: Final = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}
_UNPREFIXED: Final = frozenset({"CustomResourceDefinition", "APIService", "Namespace"})


@dataclass(frozen=True)
class Layer:
    """One kustomization."""

    directory: str
    file: str
    """Its kustomization file; empty for what only Flux' Kustomization object adds."""
    spec: Mapping[str, Any] = field(compare=False)
    added: Layer | None = field(default=None, compare=False)
    """What Flux' Kustomization object puts into the entry's file before it is built (kustomize_generator.go)."""

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The file's own, and behind it what is put in."""
        return (self,) if self.added is None else (self, self.added)

    def images(self) -> Iterator[tuple[Layer, int, Mapping[str, Any]]]:
        """Entries of `images`, and where each is written: Flux' go into the file's entry of the same name."""
        more = list(enumerate(self.added.mappings("images"))) if self.added is not None else []
        for index, entry in enumerate(self.mappings("images")):
            layer, number, whole = self, index, entry
            for at, other in [item for item in more if item[1].get("name") == entry.get("name")]:
                more.remove((at, other))
                layer, number, whole = self.added or self, at, _overridden(whole, other)
            yield layer, number, whole
        yield from ((self.added or self, index, entry) for index, entry in more)

    def strings(self, *keys: str) -> list[str]:
        """Texts of lists."""
        found = [self.spec.get(key) for key in keys]
        return [item for value in found if isinstance(value, list) for item in value if isinstance(item, str)]

    def mappings(self, key: str) -> list[Mapping[str, Any]]:
        """Mappings of a list; others, which kustomize refuses, as empty ones, so that positions hold."""
        value = self.spec.get(key)
        return [mapping(item) for item in value] if isinstance(value, list) else []

    def word(self, key: str) -> str:
        """A text, which Flux may put in place of the file's; empty if there is none."""
        found = [part.spec.get(key) for part in reversed(self.parts)]
        return next((value for value in found if isinstance(value, str) and value), "")


@dataclass(frozen=True)
class Stage:
    """An object on its way through one kustomization."""

    layer: Layer
    before: tuple[tuple[str, str], ...]
    """Namespaces and names it has had so far, the first is its own, the last the current one."""
    generates: bool = False
    """Its generators, which come before components and all else of it."""


@dataclass(frozen=True)
class Generator:
    """An entry of configMapGenerator or secretGenerator."""

    key: str
    index: int
    layer: Layer
    hashed: bool = True

    @property
    def entry(self) -> Mapping[str, Any]:
        """What the kustomization says of it."""
        return self.layer.mappings(self.key)[self.index]

    @property
    def kind(self) -> str:
        """What it makes."""
        return _GENERATORS[self.key]

    @property
    def adds(self) -> bool:
        """Whether it adds to what another one makes."""
        return self.entry.get("behavior") in ("merge", "replace")


@dataclass(frozen=True)
class Origin:
    """An object that the entry yields."""

    source: Document | Generator
    manifest: Mapping[str, Any] = field(compare=False)
    stages: tuple[Stage, ...] = ()
    """Innermost first."""
    ids: tuple[tuple[str, str], ...] = ()
    chain: tuple[str, ...] = ()
    """Kustomization directories from the entry to the file."""

    @property
    def api_version(self) -> str:
        """As its manifest says."""
        return str(self.manifest.get("apiVersion", ""))

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.manifest.get("kind", ""))

    def is_called(self, ref: Ref) -> bool:
        """Whether it is that object, but for the namespace."""
        if self.kind != ref.kind or group_of(self.api_version) != ref.group:
            return False
        name = self.ids[-1][1]
        if isinstance(self.source, Generator) and self.source.hashed:
            stem, _, digest = ref.name.rpartition("-")
            return ref.name == name or (stem == name and digest.isalnum() and len(digest) == 10)
        return name == ref.name or _may_become(name, ref.name)


def directory_layer(draft: Draft, directory: str) -> Layer | None:
    """A directory's kustomization; None if it has none."""
    for name in NAMES:
        path = f"{directory}/{name}" if directory else name
        if draft.is_file(path):
            return Layer(directory, path, one_document(draft, path).manifest)
    return None


def merging_generators(layer: Layer, kind: str, ids: tuple[tuple[str, str], ...]) -> Iterator[Generator]:
    """Generators that add to an object of that kind, by any name that it has had."""
    for generator in generators(layer):
        if generator.adds and generator.kind == kind and generator.entry.get("name") in [name for _, name in ids]:
            yield generator


def generators(layer: Layer) -> Iterator[Generator]:
    """All generators of a kustomization."""
    for key in _GENERATORS:
        for index in range(len(layer.mappings(key))):
            yield Generator(key, index, layer)


def is_prefixed(kind: str) -> bool:
    """Whether namePrefix and nameSuffix change names of a kind."""
    return kind not in _UNPREFIXED


def is_cluster_scoped(kind: str) -> bool:
    """Whether kustomize knows a kind to be in no namespace."""
    return kind in _CLUSTER_SCOPED


def _overridden(entry: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry of `images` with what Flux sets of it: tag and digest go together."""
    version = {key: other.get(key) for key in ("newTag", "digest")}
    name = {"newName": other["newName"]} if other.get("newName") else {}
    return {**entry, **name, **(version if any(version.values()) else {})}


def _may_become(template: str, text: str) -> bool:
    """Whether variables of Flux can make a name: `${env}-web`."""
    parts = _VARIABLE.split(template)
    return len(parts) > 1 and joined(parts, text)
