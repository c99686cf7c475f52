"""What a kustomization sets on many objects at once: namespace, prefixes, labels, annotations, replacements.

Owns: which fields those are.
Leaves to others: what may be edited (`transforms.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.fields import Field, Match, read_field, shown
from raibid.gitops.files.layers import Layer, Origin, Stage
from raibid.gitops.files.patches import APPLIER
from raibid.gitops.objects import mapping, mappings

_SELECTORS: Final[tuple[Field, ...]] = (("spec", "selector", "matchLabels"), ("spec", "selector"))


@dataclass(frozen=True)
class Fixed:
    """What a kustomization sets on many objects at once, or computes: it is told, and not edited here."""

    layer: Layer
    what: str
    fields: tuple[Field, ...]
    """A step `*` stands for any."""
    kind: str = ""
    """labels or annotations, if it adds such."""
    pairs: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def apply(self, manifest: Any) -> Any:
        """The object with what selectors of later patches look for."""
        if not self.pairs or not isinstance(manifest, dict):
            return manifest
        metadata = mapping(manifest.get("metadata"))
        return {**manifest, "metadata": {**metadata, self.kind: {**mapping(metadata.get(self.kind)), **self.pairs}}}

    def find(self, wanted: Field, before: Any, after: Any) -> None:  # noqa: ARG002
        """Nothing.

        Raises:
            NotEditableError: it sets the field.
        """
        for one in self.fields:
            if all(_agree(mine, theirs) for mine, theirs in zip(one, wanted, strict=False)) and len(one) <= len(wanted):
                raise NotEditableError(
                    f"{shown(wanted)} is set by {self.what} of {self.layer.file or APPLIER}, for more than this object",
                    f"edit {self.what} there",
                )


def names(layer: Layer) -> Iterator[Fixed]:
    """Namespace and parts of the name."""
    for key, last in (
        ("namespace", "namespace"),
        ("targetNamespace", "namespace"),
        ("namePrefix", "name"),
        ("nameSuffix", "name"),
    ):
        if layer.word(key):
            yield Fixed(layer, key, (("metadata", last),))


def labels(layer: Layer) -> Iterator[Fixed]:
    """Labels and annotations of all objects."""
    common = mapping(layer.spec.get("commonMetadata"))
    pairs = [("commonLabels", layer.spec.get("commonLabels")), ("commonMetadata", common.get("labels"))]
    pairs += [("labels", entry.get("pairs")) for entry in layer.mappings("labels")]
    for what, found in pairs:
        yield _common(layer, what, "labels", mapping(found), _SELECTORS)
    notes = [("commonAnnotations", layer.spec.get("commonAnnotations")), ("commonMetadata", common.get("annotations"))]
    for what, found in notes:
        yield _common(layer, what, "annotations", mapping(found), ())


def _common(layer: Layer, what: str, kind: str, pairs: Mapping[str, Any], more: tuple[Field, ...]) -> Fixed:
    places = (("metadata", kind), ("spec", "template", "metadata", kind), *more)
    return Fixed(layer, what, tuple((*place, key) for key in pairs for place in places), kind, dict(pairs))


def replacements(draft: Draft, origin: Origin, stage: Stage) -> Iterator[Fixed]:
    """Fields that are copied from elsewhere."""
    for entry in _listed(draft, stage.layer):
        for target in mappings(entry.get("targets")):
            select = mapping(target.get("select"))
            if not _is_selected(select, origin, stage):
                continue
            paths = target.get("fieldPaths")
            paths = paths if isinstance(paths, list) and paths else ["metadata.name"]
            yield Fixed(stage.layer, "replacements", tuple(_field_path(str(path)) for path in paths))


def _listed(draft: Draft, layer: Layer) -> Iterator[Mapping[str, Any]]:
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
