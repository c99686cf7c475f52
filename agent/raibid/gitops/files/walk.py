"""kustomize read backwards: an entry directory → every object of a kind below it, and the kustomizations on its way.

Owns: resources, bases, components, generators, directories without a kustomization; what could not be looked into.
Leaves to others: what patches do to an object (`transforms.py`), which place to edit (`provenance.py`).

As kustomize v5 does it (api/internal/target/kusttarget.go): resources and bases first, then generators, then
components, each of which works on all that is there so far; then the kustomization's own transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from raibid.gitops.errors import NoFileError, NotAllowedError
from raibid.gitops.files.documents import Document, Draft
from raibid.gitops.files.layers import (
    Generator,
    Layer,
    Origin,
    Stage,
    directory_layer,
    generators,
    is_cluster_scoped,
    is_prefixed,
)
from raibid.gitops.objects import Ref, group_of, mapping, metadata_of


class Walk:
    """One search through a repository; collects what could not be looked into."""

    def __init__(self, draft: Draft, ref: Ref) -> None:
        self.draft = draft
        self.ref = ref
        self.notes: list[str] = []

    def objects(self, entry: str, *, over: Mapping[str, Any] | None = None) -> list[Origin]:
        """All objects of the asked kind that an entry yields; `over`: what Flux adds to its kustomization.

        Raises:
            NoFileError: there is no such directory, or kustomizations go in circles.
            NotAllowedError: a path leads out of the repository.
        """
        directory = self.draft.path(entry)
        if not self.draft.is_directory(directory):
            raise NoFileError(f"{entry or 'the root'} is no directory of the repository")
        layer = directory_layer(self.draft, directory)
        more = Layer(directory, "", over) if over else None
        if layer is not None:
            return self._layer(replace(layer, added=more), [], ())
        found = self._loose(directory, (directory,))
        return found if more is None else self._through(more, found, ())

    def _loose(self, directory: str, chain: tuple[str, ...]) -> list[Origin]:
        """A directory without a kustomization: all manifests below it, as Flux generates one."""
        if self.draft.is_file(f"{directory}/Chart.yaml" if directory else "Chart.yaml"):
            self._note(f"{directory or 'the root'} is a Helm chart: what it renders is not in files")
            return []
        found: list[Origin] = []
        for name in self.draft.listed(directory):
            path = f"{directory}/{name}" if directory else name
            if self.draft.is_directory(path):
                # Flux walks the tree without following links.
                if self.draft.is_link(path):
                    continue
                inner = directory_layer(self.draft, path)
                found += self._layer(inner, [], chain) if inner is not None else self._loose(path, chain)
            elif name.endswith((".yaml", ".yml")):
                found += self._file(self.draft.path(path), chain, strict=False)
        return found

    def _layer(self, layer: Layer, incoming: list[Origin], chain: tuple[str, ...]) -> list[Origin]:
        if layer.directory in chain:
            raise NoFileError(f"kustomizations go in circles: {' → '.join((*chain, layer.directory))}")
        chain = (*chain, layer.directory)
        found = list(incoming)
        for path in layer.strings("resources", "bases"):
            found += self._resource(layer, path, chain)
        found = [replace(item, stages=(*item.stages, Stage(layer, item.ids, generates=True))) for item in found]
        found += self._generated(layer, chain)
        return self._through(layer, found, chain)

    def _through(self, layer: Layer, found: list[Origin], chain: tuple[str, ...]) -> list[Origin]:
        for path in [path for part in layer.parts for path in part.strings("components")]:
            inner = self._inner(layer, path)
            if inner is not None:
                found = self._layer(inner, found, chain)
        if layer.spec.get("helmCharts"):
            self._note(f"{layer.file} renders Helm charts: what they yield is not in files")
        return [_passed(origin, layer) for origin in found]

    def _inner(self, layer: Layer, path: str) -> Layer | None:
        if _is_remote(path):
            self._note(f"{layer.file} takes {path} from elsewhere")
            return None
        directory = self._place(layer, path)
        inner = directory_layer(self.draft, directory)
        if inner is None:
            # kustomize would refuse to build; what is asked for may be elsewhere all the same.
            self._note(f"{layer.file} names {path}, which is neither a file nor a kustomization")
        return inner

    def _resource(self, layer: Layer, path: str, chain: tuple[str, ...]) -> list[Origin]:
        if not _is_remote(path):
            place = self._place(layer, path)
            if self.draft.is_file(place):
                return self._file(place, chain, strict=True)
        inner = self._inner(layer, path)
        return [] if inner is None else self._layer(inner, [], chain)

    def _place(self, layer: Layer, path: str) -> str:
        try:
            return self.draft.path(layer.directory, path)
        except NotAllowedError as error:
            raise NotAllowedError(f"{layer.file}: {error}") from None

    def _file(self, path: str, chain: tuple[str, ...], *, strict: bool) -> list[Origin]:
        try:
            documents = self.draft.documents(path, kind=self.ref.kind)
        except NoFileError as error:
            if strict:
                raise
            self._note(f"not looked into: {error}")
            return []
        return [_origin(document, document.manifest, chain) for document in documents if _is(document, self.ref)]

    def _generated(self, layer: Layer, chain: tuple[str, ...]) -> Iterator[Origin]:
        for generator in generators(layer):
            if self.ref.kind not in ("", generator.kind) or generator.adds:
                continue
            options = {**mapping(layer.spec.get("generatorOptions")), **mapping(generator.entry.get("options"))}
            hashed = options.get("disableNameSuffixHash") is not True
            metadata = {"name": generator.entry.get("name", ""), "namespace": generator.entry.get("namespace", "")}
            manifest = {"apiVersion": "v1", "kind": generator.kind, "metadata": metadata}
            yield _origin(replace(generator, hashed=hashed), manifest, chain)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _is(document: Document, ref: Ref) -> bool:
    """Whether a document is of the kind asked for; of any, if none is."""
    manifest = document.manifest
    if not ref.kind:
        return "kind" in manifest
    return manifest.get("kind") == ref.kind and group_of(str(manifest.get("apiVersion", ""))) == ref.group


def _origin(source: Document | Generator, manifest: Mapping[str, Any], chain: tuple[str, ...]) -> Origin:
    metadata = metadata_of(manifest)
    identity = (str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
    return Origin(source, manifest, (), (identity,), chain)


def _passed(origin: Origin, layer: Layer) -> Origin:
    """An object after a kustomization: its name and namespace as that leaves them."""
    namespace, name = origin.ids[-1]
    kind = origin.kind
    if (wanted := layer.word("targetNamespace") or layer.word("namespace")) and not is_cluster_scoped(kind):
        namespace = wanted
    if is_prefixed(kind):
        name = layer.word("namePrefix") + name + layer.word("nameSuffix")
    ids = origin.ids if (namespace, name) == origin.ids[-1] else (*origin.ids, (namespace, name))
    return replace(origin, stages=(*origin.stages, Stage(layer, origin.ids)), ids=ids)


def _is_remote(path: str) -> bool:
    return "://" in path or "?ref=" in path or path.startswith(("git@", "github.com/"))
