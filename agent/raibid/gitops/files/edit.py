"""Changes of a repository's files, by what they mean: a field, an image, a number of replicas.

Owns: the order of work: find the document, find what sets the field, change that, prove it, tell where and why.
Leaves to others: each of these; new and removed manifests (`manifests.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Draft, Edit
from raibid.gitops.files.emitted import refuse_emitted
from raibid.gitops.files.fields import Field, named, read_field, shown, steps_in, value_at
from raibid.gitops.files.fixed import Fixed
from raibid.gitops.files.images import Image
from raibid.gitops.files.locate import chosen
from raibid.gitops.files.neighbours import Use, others_concerned, shared_with, users_of
from raibid.gitops.files.provenance import Built, told
from raibid.gitops.files.secrets import secret_field
from raibid.gitops.files.spots import Spot
from raibid.gitops.files.substitution import escaped, has_variables, needs_care
from raibid.gitops.files.substitution import shown as template_shown
from raibid.gitops.files.values import changed, removed, same
from raibid.gitops.files.variables import Variables, VariableSource
from raibid.gitops.files.walk import Walk
from raibid.gitops.files.workloads import container_field, replicas_field
from raibid.gitops.objects import Ref, mapping

_NAMES: Final = ("name", "namespace")


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
    return editing.set((*container_field(ref, editing.built.final, container), "image"), str(Image.read(image)))


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
    return editing.set(replicas_field(ref, editing.built.final), count)


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
        if not part.gone and (needs_care(spot.old) or needs_care(part.value)):
            variables = Variables(self.draft, self.variables, self.flux_spec)
            if variables.reach(self.built.final):
                if has_variables(spot.old):
                    yield from self._set_variable(part, spot, variables)
                    return
                # It is the value of the live object that was asked for, and not a new variable.
                part = replace(part, value=escaped(part.value))
                if same(value_at(self.built.final, part.field)[1], part.value):
                    return
        yield from self._set_here(part, spot)

    def _set_here(self, part: _Part, spot: Spot) -> Iterator[str]:
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
        sealed = self.draft.is_sealed(spot.file)
        if self.ref.kind == "Secret" or sealed:
            self.draft.hold_secret(spot.file, sealed=sealed)
        self.built = self._build()
        if not _is_proved(before, self.built.final, part, sealed=sealed):
            raise NotEditableError(
                f"{shown(part.field)} set {spot.why} would change more of {self.ref}, or not reach it"
            )
        yield told(part.field, spot)
        if self.ref.kind == "Secret" and not sealed:
            yield f"{spot.file} is not encrypted: the value is in Git in clear"
        yield from shared_with(self.draft, self.entry, self.flux_spec, spot)

    def _set_variable(self, part: _Part, spot: Spot, variables: Variables) -> Iterator[str]:
        """The place says `${var}`: the variable is set, and whoever takes it as well is told."""
        before, secret = variables.values, self.ref.kind == "Secret"
        made = variables.set(spot.old, part.value, secret=secret)
        if not made.texts:
            return
        said = template_shown(spot.old, secret=secret)
        yield f"{shown(part.field)} is {said} {spot.why}"
        yield f"{said} takes {'; '.join(made.places)}"
        use = Use(before, before.having(made.texts), frozenset(made.texts))
        yield from users_of(self.draft, self.entry, self.flux_spec, use, (self.built, part.field))


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
