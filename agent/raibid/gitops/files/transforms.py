"""What a kustomization does to one object, step by step: each step can be applied, and asked whether it sets a field.

Owns: the steps and their order (api/internal/target/kusttarget_configplugin.go).
Leaves to others: going back through them (`provenance.py`), writing (`spots.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files import images
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.fields import Field, Match, read_field, shown, steps_in, value_at
from raibid.gitops.files.layers import Layer, Origin, Stage
from raibid.gitops.files.merging import Hit, merge_hit, merge_item, merged, operated, operation_hit
from raibid.gitops.files.patches import APPLIER, Patch, Place, early_patches, late_patches
from raibid.gitops.files.selectors import carries, is_builtin, selected
from raibid.gitops.files.spots import ImageSpot, Spot, ValueSpot
from raibid.gitops.files.values import at
from raibid.gitops.objects import mapping

_SCALED: Final = frozenset({"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"})


class Transform(Protocol):
    """One step."""

    def apply(self, manifest: Any) -> Any:
        """The object after it."""

    def find(self, wanted: Field, before: Any, after: Any) -> Spot | None:
        """Where in it a field is set; None: it comes through from before.

        Raises:
            NotEditableError: it sets the field, but not by a value that could be another.
        """


def transforms(draft: Draft, origin: Origin) -> list[Transform]:
    """All steps of an object, in order."""
    return [step for stage in origin.stages for step in _steps(draft, origin, stage)]


@dataclass(frozen=True)
class Patched:
    """A patch."""

    patch: Patch
    stage: Stage
    keyed: bool
    layer: Layer

    def apply(self, manifest: Any) -> Any:
        """As the protocol says."""
        if not self.is_for(manifest):
            return manifest
        operations = self.patch.operations
        if operations is not None:
            return operated(manifest, operations)
        body = (
            {**self.patch.body, "metadata": _unnamed(self.patch.body)}
            if "metadata" in self.patch.body
            else self.patch.body
        )
        body = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
        return merged(manifest, body, keyed=self.keyed) or {}

    def find(self, wanted: Field, before: Any, after: Any) -> Spot | None:  # noqa: ARG002
        """As the protocol says."""
        if not self.is_for(before):
            return None
        operations = self.patch.operations
        hit: Hit | None
        if operations is not None:
            hit = operation_hit(before, operations, wanted)
        else:
            hit = merge_hit(self.patch.body, wanted, keyed=self.keyed)
        if hit is None:
            return None
        if hit.removes:
            raise NotEditableError(
                f"{shown(wanted)} is taken out by the patch {self.patch.place}", "change the patch first"
            )
        return self._spot(hit)

    def item(self, way: Field, rest: Field, before: Any) -> Spot | None:
        """Where the patch speaks of a list's item, and what is missing in it would go; None: it does not."""
        operations = self.patch.operations
        hit = merge_item(self.patch.body, way) if operations is None else operation_hit(before, operations, way)
        return None if hit is None or hit.removes else self._spot(Hit(hit.steps, rest=(*hit.rest, *rest)))

    def _spot(self, hit: Hit) -> Spot:
        place, there = self.patch.place, at(self.patch.body, hit.steps)
        inner, item = steps_in(there, hit.rest)
        rest = tuple(str(step) for step in hit.rest[len(inner) :]) if item is not None else ()
        old = value_at(there, hit.rest)[1]
        return ValueSpot(place, (*hit.steps, *inner), old, f"in {place}, a patch that sets it", item, rest)

    def is_for(self, manifest: Any) -> bool:
        """Whether the patch is for an object."""
        if self.patch.target:
            return selected(self.patch.target, mapping(manifest), self.stage)
        return isinstance(self.patch.body, dict) and carries(self.patch.body, mapping(manifest), self.stage)


@dataclass(frozen=True)
class Imaged:
    """One entry of `images`."""

    layer: Layer
    index: int
    entry: Mapping[str, Any] = field(compare=False)

    def apply(self, manifest: Any) -> Any:
        """As the protocol says."""
        return self._in(manifest, "")

    def is_for(self, manifest: Any) -> bool:
        """Whether the entry is about a container's image."""
        probe = Imaged(self.layer, self.index, {"name": self.entry.get("name"), "newName": "\n"})
        return bool(probe.apply(manifest) != manifest)

    def _in(self, value: Any, of: str) -> Any:
        if isinstance(value, list):
            return [self._item(self._in(item, ""), of) for item in value]
        return {key: self._in(item, key) for key, item in value.items()} if isinstance(value, dict) else value

    def _item(self, item: Any, of: str) -> Any:
        if of not in ("containers", "initContainers") or not isinstance(item, dict):
            return item
        if not images.matches(self.entry, item.get("image")):
            return item
        return {**item, "image": images.rewritten(self.entry, item["image"])}

    def find(self, wanted: Field, before: Any, after: Any) -> Spot | None:
        """As the protocol says."""
        if len(wanted) < 3 or wanted[-1] != "image" or wanted[-3] not in ("containers", "initContainers"):
            return None
        old, new = value_at(before, wanted)[1], value_at(after, wanted)[1]
        changes = any(self.entry.get(key) for key in ("newName", "newTag", "digest", "tagSuffix"))
        if not changes or not images.matches(self.entry, old):
            return None
        why = f"in {self.layer.file or APPLIER}, whose images rewrite {self.entry.get('name')} wherever it is used"
        return ImageSpot(Place(self.layer.file), self.index, self.entry, str(old), str(new), why)


@dataclass(frozen=True)
class Counted:
    """One entry of `replicas`."""

    layer: Layer
    index: int
    count: Any = field(compare=False)

    def apply(self, manifest: Any) -> Any:
        """As the protocol says."""
        spec = mapping(manifest.get("spec"))
        return {**manifest, "spec": {**spec, "replicas": self.count}}

    def find(self, wanted: Field, before: Any, after: Any) -> Spot | None:  # noqa: ARG002
        """As the protocol says."""
        if wanted != ("spec", "replicas"):
            return None
        why = f"in {self.layer.file or APPLIER}, whose replicas set it"
        return ValueSpot(Place(self.layer.file), ("replicas", self.index, "count"), self.count, why)


@dataclass(frozen=True)
class Fixed:
    """What a kustomization sets on many objects at once, or computes: it is told, and not edited here."""

    layer: Layer
    what: str
    fields: tuple[Field, ...]
    """A step `*` stands for any."""

    def apply(self, manifest: Any) -> Any:
        """As the protocol says."""
        return manifest

    def find(self, wanted: Field, before: Any, after: Any) -> Spot | None:  # noqa: ARG002
        """As the protocol says."""
        for one in self.fields:
            if all(_agree(mine, theirs) for mine, theirs in zip(one, wanted, strict=False)) and len(one) <= len(wanted):
                raise NotEditableError(
                    f"{shown(wanted)} is set by {self.what} of {self.layer.file or APPLIER}, for more than this object",
                    f"edit {self.what} there",
                )
        return None


def _steps(draft: Draft, origin: Origin, stage: Stage) -> Iterator[Transform]:
    layer, keyed = stage.layer, is_builtin(origin.api_version)
    for patch in early_patches(draft, layer):
        yield Patched(patch, stage, keyed, layer)
    yield from _names(layer)
    yield from _labels(layer)
    for patch in late_patches(draft, layer):
        yield Patched(patch, stage, keyed, layer)
    for index, entry in enumerate(layer.mappings("replicas")):
        if origin.kind in _SCALED and entry.get("name") in [name for _, name in stage.before]:
            yield Counted(layer, index, entry.get("count"))
    for index, entry in enumerate(layer.mappings("images")):
        if origin.kind != "CustomResourceDefinition":
            yield Imaged(layer, index, entry)
    yield from _replacements(draft, origin, stage)


def _names(layer: Layer) -> Iterator[Transform]:
    for key, last in (
        ("namespace", "namespace"),
        ("targetNamespace", "namespace"),
        ("namePrefix", "name"),
        ("nameSuffix", "name"),
    ):
        if layer.word(key):
            yield Fixed(layer, key, (("metadata", last),))


def _labels(layer: Layer) -> Iterator[Transform]:
    common, flux = layer.spec.get("commonLabels"), mapping(layer.spec.get("commonMetadata"))
    pairs = [("commonLabels", common), ("commonMetadata", flux.get("labels"))]
    pairs += [("labels", entry.get("pairs")) for entry in layer.mappings("labels")]
    for what, found in pairs:
        fields = [
            place
            for key in mapping(found)
            for place in (
                ("metadata", "labels", key),
                ("spec", "selector", "matchLabels", key),
                ("spec", "selector", key),
                ("spec", "template", "metadata", "labels", key),
            )
        ]
        if fields:
            yield Fixed(layer, what, tuple(fields))
    for what, found in (
        ("commonAnnotations", layer.spec.get("commonAnnotations")),
        ("commonMetadata", flux.get("annotations")),
    ):
        fields = [
            place
            for key in mapping(found)
            for place in (("metadata", "annotations", key), ("spec", "template", "metadata", "annotations", key))
        ]
        if fields:
            yield Fixed(layer, what, tuple(fields))


def _replacements(draft: Draft, origin: Origin, stage: Stage) -> Iterator[Transform]:
    for entry in layer_replacements(draft, stage.layer):
        for target in entry.get("targets") or ():
            select = mapping(mapping(target).get("select"))
            if not _is_selected(select, origin, stage):
                continue
            paths = mapping(target).get("fieldPaths") or ["metadata.name"]
            yield Fixed(stage.layer, "replacements", tuple(_field_path(str(path)) for path in paths))


def layer_replacements(draft: Draft, layer: Layer) -> Iterator[Mapping[str, Any]]:
    """A kustomization's replacements, inline and in files."""
    for entry in layer.mappings("replacements"):
        if isinstance(entry.get("path"), str):
            path = draft.path(layer.directory, entry["path"])
            yield from (document.manifest for document in draft.documents(path))
        else:
            yield entry


def _is_selected(select: Mapping[str, Any], origin: Origin, stage: Stage) -> bool:
    group, _, version = origin.api_version.rpartition("/")
    ids = (*stage.before, *origin.ids[-1:])
    return (
        select.get("group", group) in (group, None)
        and select.get("version", version) in (version, None)
        and select.get("kind", origin.kind) in (origin.kind, None)
        and (not select.get("name") or any(name == select["name"] for _, name in ids))
        and (not select.get("namespace") or any(namespace == select["namespace"] for namespace, _ in ids))
    )


def _field_path(text: str) -> Field:
    """A path of replacements, `spec.containers.[name=web].image`, as a field; `*` stays."""
    try:
        return read_field(text.replace(".[", "["))
    except NotEditableError:
        return ("*",)


def _agree(mine: Any, theirs: Any) -> bool:
    if mine == "*" or mine == theirs:
        return True
    # A position and a name may mean the same item: better refused than wrong.
    return isinstance(mine, int | Match) and isinstance(theirs, int | Match) and type(mine) is not type(theirs)


def _unnamed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a patch without the name by which it finds its object."""
    return {key: value for key, value in mapping(body.get("metadata")).items() if key not in ("name", "namespace")}
