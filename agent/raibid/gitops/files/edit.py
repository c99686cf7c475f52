"""Changes of a repository's files, by what they mean: a field, an image, a number of replicas.

Owns: the order of work: find the document, find what sets the field, change that, prove it, tell where and why.
Leaves to others: each of these; new and removed manifests (`manifests.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Draft, Edit
from raibid.gitops.files.emitted import refuse_emitted
from raibid.gitops.files.fields import Field, Match, Step, named, read_field, shown, steps_in, value_at
from raibid.gitops.files.fixed import Fixed
from raibid.gitops.files.images import Image
from raibid.gitops.files.locate import chosen
from raibid.gitops.files.neighbours import others_concerned, shared_with
from raibid.gitops.files.provenance import Built, told
from raibid.gitops.files.secrets import secret_field
from raibid.gitops.files.values import changed, removed, same
from raibid.gitops.files.variables import VariableSource, is_substituted, set_variable
from raibid.gitops.files.walk import Walk
from raibid.gitops.objects import Ref, mapping

_NAMES: Final = ("name", "namespace")
_REPLICAS: Final[dict[str, str]] = {
    "Deployment": "spec.replicas",
    "StatefulSet": "spec.replicas",
    "ReplicaSet": "spec.replicas",
    "ScaledJob": "spec.maxReplicaCount",
    "ScaledObject": "spec.maxReplicaCount",
    "HorizontalPodAutoscaler": "spec.maxReplicas",
}


def set_field(
    root: Path, entry: str, ref: Ref, field: str, value: object, *, variables: Sequence[VariableSource] = (),
    flux_spec: Mapping[str, Any] | None = None,
) -> Edit:  # fmt: skip
    """Give a field of an object a value, where the field is set. `flux_spec`: the Flux Kustomization that reads it.

    Raises:
        NoFileError: no file describes the object. NotEditableError: what sets the field cannot be edited, and why.
        NotAllowedError: a path leads out of the repository. SealedError: an encrypted file cannot be opened.
    """
    return Editing(Draft(root), entry, ref, variables, flux_spec).set(read_field(field), value)


def set_image(
    root: Path, entry: str, ref: Ref, container: str, image: str, *, variables: Sequence[VariableSource] = (),
    flux_spec: Mapping[str, Any] | None = None,
) -> Edit:  # fmt: skip
    """Give a container another image: by kustomize's `images` if they rewrite it. `container`: empty for the only one.

    Raises:
        As `set_field`; NotEditableError also if there is no such container.
    """
    editing = Editing(Draft(root), entry, ref, variables, flux_spec)
    return editing.set((*_container(editing.built.final, ref, container), "image"), str(Image.read(image)))


def set_replicas(
    root: Path, entry: str, ref: Ref, count: int, *, variables: Sequence[VariableSource] = (),
    flux_spec: Mapping[str, Any] | None = None,
) -> Edit:  # fmt: skip
    """Scale an object: its replicas, or the most that an autoscaler may start.

    Raises:
        As `set_field`; NotEditableError also if such objects are not scaled.
    """
    if count < 0:
        raise NotEditableError(f"{count} is no number of replicas")
    editing = Editing(Draft(root), entry, ref, variables, flux_spec)
    field = _REPLICAS.get(ref.kind)
    if field is None and value_at(editing.built.final, ("spec", "replicas"))[0]:
        field = "spec.replicas"
    if field is None:
        hint = "set spec.values.… as its chart names it" if ref.kind == "HelmRelease" else "set the field by its name"
        raise NotEditableError(f"{ref.kind} has no number of replicas of its own", hint)
    return editing.set(read_field(field), count)


class Editing:
    """One change of one object."""

    def __init__(
        self, draft: Draft, entry: str, ref: Ref, variables: Sequence[VariableSource] = (),
        flux_spec: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.draft, self.entry, self.ref = draft, entry, ref
        self.variables, self.flux_spec = variables, flux_spec
        self.built = self._build()

    def _build(self) -> Built:
        return Built.of(self.draft, chosen(Walk(self.draft, self.ref), self.entry, self.flux_spec))

    def set(self, wanted: Field, value: Any) -> Edit:
        """Change it, and prove that nothing else of the object changes."""
        wanted, value = secret_field(self.built, wanted, value)
        if wanted[0] in ("apiVersion", "kind", "status") or wanted in (("metadata", "name"), ("metadata", "namespace")):
            raise NotEditableError(f"{shown(wanted)} is not changed: it says which object it is, or what became of it")
        wanted = named(self.built.final, wanted)
        return finished(self.draft, self.changed(wanted, value_at(self.built.final, wanted), value))

    def become(self, manifest: Mapping[str, Any]) -> list[str]:
        """Change all that differs from a manifest; what was done. Name and namespace stay as the file has them."""
        own = mapping(self.built.final.get("metadata"))
        given = {key: value for key, value in mapping(manifest.get("metadata")).items() if key not in _NAMES}
        metadata = {**{key: own[key] for key in _NAMES if key in own}, **given}
        for step in self.built.steps:
            if isinstance(step, Fixed) and step.pairs:
                metadata[step.kind] = {**step.pairs, **mapping(metadata.get(step.kind))}
        return self.changed((), (True, self.built.final), {**manifest, "metadata": metadata})

    def changed(self, field: Field, old: tuple[bool, Any], new: Any) -> list[str]:
        """Change single values until one is another; what was done."""
        notes: list[str] = []
        for part in _parts(field, old, new):
            notes += self._set(part)
        return notes

    def _set(self, part: _Part) -> Iterator[str]:
        spot = self.built.spot(self.draft, part.field)
        if not part.gone and is_substituted(spot.old, self.built.final):
            yield f"{shown(part.field)} is {spot.old} {spot.why}"
            yield set_variable(self.draft, spot.old, part.value, self.variables, self.flux_spec)
            return
        if not spot.file:
            raise NotEditableError(
                f"{shown(part.field)} is set {spot.why}", "edit the Kustomization or Application object itself"
            )
        yield from others_concerned(self.draft, self.entry, self.built, spot)
        before = self.built.final
        if part.gone:
            spot.clear(self.draft)
        else:
            spot.write(self.draft, part.value)
        self.built = self._build()
        if not _is_proved(before, self.built.final, part, sealed="sops" in self.built.origin.manifest):
            raise NotEditableError(
                f"{shown(part.field)} set {spot.why} would change more of {self.ref}, or not reach it"
            )
        yield told(part.field, spot)
        if self.ref.kind == "Secret" and "sops" not in self.built.origin.manifest:
            yield f"{spot.file} is not encrypted: the value is in Git in clear"
        yield from shared_with(self.draft, self.entry, self.built, spot)


def finished(draft: Draft, notes: Sequence[str]) -> Edit:
    """The whole edit.

    Raises:
        NotEditableError: it changes a file that the program writes.
    """
    edit = draft.edit(*dict.fromkeys(notes))
    for path in edit.files:
        refuse_emitted(draft, path)
    return edit


@dataclass(frozen=True)
class _Part:
    """One value of a change."""

    field: Field
    value: Any = None
    gone: bool = False


def _parts(field: Field, old: tuple[bool, Any], new: Any) -> Iterator[_Part]:
    """The single values in which two mappings differ: each of them may be set somewhere else."""
    there, value = old
    if there and isinstance(value, dict) and isinstance(new, dict) and new:
        for key in value:
            if key not in new:
                yield _Part((*field, key), gone=True)
        for key, inner in new.items():
            yield from _parts((*field, key), (key in value, value.get(key)), inner)
    elif not there or not same(value, new):
        yield _Part(field, new)


def _is_proved(before: Any, after: Any, part: _Part, *, sealed: bool) -> bool:
    """Whether the object as kustomize builds it has changed in that value alone; an encrypted one is sops' affair."""
    if sealed:
        return True
    steps, item = steps_in(before, part.field)
    if part.gone:
        return same(after, removed(before, steps))
    value = part.value if item is None else changed(dict(item), [str(s) for s in part.field[len(steps) :]], part.value)
    return same(after, changed(before, steps, value))


def _container(manifest: Any, ref: Ref, name: str) -> Field:
    """The one container of a name, wherever the kind keeps its pod."""
    found = [place for place in _containers(manifest, ()) if not name or place[-1] == Match("name", name)]
    if ref.kind == "HelmRelease":
        raise NotEditableError(
            f"{ref} has no containers: its chart does", "set spec.values.image.tag, or as it names it"
        )
    if len(found) == 1:
        return found[0]
    all_names = ", ".join(str(place[-1].value) for place in _containers(manifest, ()) if isinstance(place[-1], Match))
    raise NotEditableError(
        f"{ref} has {'no' if not found else 'more than one'} container {name}".rstrip(), f"there are: {all_names}"
    )


def _containers(value: Any, way: tuple[Step, ...]) -> Iterator[Field]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("containers", "initContainers") and isinstance(inner, list):
                names = (item.get("name") for item in inner if isinstance(item, dict))
                yield from ((*way, key, Match("name", str(found))) for found in names)
            else:
                yield from _containers(inner, (*way, key))
