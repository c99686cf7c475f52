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
from raibid.gitops.files.fields import Field, shown, steps_in, value_at
from raibid.gitops.files.fixed import labels, names, replacements
from raibid.gitops.files.generators import generated
from raibid.gitops.files.layers import Generator, Layer, Origin, Stage, merging_generators
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

    def apply(self, manifest: Any) -> Any:
        """As the protocol says."""
        if not self.is_for(manifest):
            return manifest
        operations = self.patch.operations
        if operations is not None:
            return operated(manifest, operations)
        # Kind and name are whom it is for, not what it sets.
        body = {key: value for key, value in self.patch.body.items() if key not in ("apiVersion", "kind")}
        if "metadata" in body:
            body["metadata"] = _metadata(self.patch.body, manifest, keyed=self.keyed)
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
class Regenerated:
    """A generator that adds values to what another one makes, or replaces them (`behavior`)."""

    generator: Generator
    draft: Draft

    def apply(self, manifest: Any) -> Any:
        """As the protocol says."""
        made = generated(self.draft, self.generator)
        kept = mapping(manifest.get(made.key)) if made.behavior == "merge" else {}
        return {**manifest, made.key: {**kept, **made.values}}

    def find(self, wanted: Field, before: Any, after: Any) -> Spot | None:  # noqa: ARG002
        """As the protocol says."""
        made = generated(self.draft, self.generator)
        return made.spots.get(str(wanted[1])) if len(wanted) > 1 and wanted[0] == made.key else None


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


def _steps(draft: Draft, origin: Origin, stage: Stage) -> Iterator[Transform]:
    layer, keyed = stage.layer, is_builtin(origin.api_version)
    if stage.generates:
        yield from (Regenerated(item, draft) for item in merging_generators(layer, origin.kind, stage.before))
        return
    for part in layer.parts:
        yield from (Patched(patch, stage, keyed) for patch in early_patches(draft, part))
    for part in layer.parts:
        yield from names(part)
        yield from labels(part)
    yield from (Patched(patch, stage, keyed) for patch in late_patches(draft, layer))
    for part in layer.parts if origin.kind in _SCALED else ():
        for index, entry in enumerate(part.mappings("replicas")):
            if entry.get("name") in [name for _, name in stage.before]:
                yield Counted(part, index, entry.get("count"))
    if origin.kind != "CustomResourceDefinition":
        yield from (Imaged(written, index, entry) for written, index, entry in layer.images())
    yield from replacements(draft, origin, stage)


def _metadata(body: Mapping[str, Any], manifest: Any, *, keyed: bool) -> dict[str, Any]:
    """Metadata of a patch without the name by which it finds its object; its finalizers with the object's own."""
    metadata = {key: value for key, value in mapping(body.get("metadata")).items() if key not in ("name", "namespace")}
    mine, theirs = metadata.get("finalizers"), mapping(mapping(manifest).get("metadata")).get("finalizers")
    if keyed and isinstance(mine, list) and isinstance(theirs, list):
        # The one list of plain values that a strategic merge adds to instead of replacing it.
        metadata["finalizers"] = [*mine, *(item for item in theirs if item not in mine)]
    return metadata
