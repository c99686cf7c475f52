"""The patches of a kustomization, in the order in which kustomize applies them, and where each is written.

Owns: `patches`, `patchesStrategicMerge`, `patchesJson6902`: inline and in files, read and changed in place.
Leaves to others: what they do (`merging.py`), whom they are for (`selectors.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from raibid.gitops.errors import NoFileError, NotEditableError
from raibid.gitops.files.documents import Draft, cut, one_document
from raibid.gitops.files.layers import Layer
from raibid.gitops.files.splices import with_value
from raibid.gitops.files.values import at

APPLIER: Final = "the applier's own manifest"
"""Where a layer without a file is written: a Flux Kustomization, an Argo CD Application."""


@dataclass(frozen=True)
class Place:
    """Where a document is written that is no object of its own: a file's, or a text inside a kustomization."""

    file: str
    inline: tuple[str | int, ...] = ()
    """Keys and positions of the text in the file's document; empty: the file itself."""
    number: int = 0
    """Which document of the text."""

    def change(self, draft: Draft, make: Callable[[str], str]) -> None:
        """Give the document other characters."""
        if not self.inline:
            draft.write(self.file, _document_changed(draft.text(self.file), self.number, make))
            return
        document = one_document(draft, self.file)
        inner = _document_changed(str(at(document.manifest, self.inline)), self.number, make)
        draft.put(document, with_value(draft.body(document), self.inline, inner))

    def __str__(self) -> str:
        if not self.inline:
            return self.file or APPLIER
        return f"{self.file or APPLIER} ({self.inline[0]}[{self.inline[1]}])"


@dataclass(frozen=True)
class Patch:
    """One patch: a strategic merge document, or a list of JSON operations."""

    place: Place
    body: Any = field(compare=False)
    target: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def operations(self) -> list[Mapping[str, Any]] | None:
        """The operations of a JSON patch; None: it is a strategic merge."""
        if not isinstance(self.body, list):
            return None
        return [item for item in self.body if isinstance(item, dict)]


def early_patches(draft: Draft, layer: Layer) -> Iterator[Patch]:
    """What is applied before names and labels are changed."""
    for index, item in enumerate(layer.strings("patchesStrategicMerge")):
        # A path, or the patch itself.
        inline = "\n" in item or ":" in item
        yield from _read(draft, layer, ("patchesStrategicMerge", index), item if inline else "", "" if inline else item)
    for index, entry in enumerate(layer.mappings("patches")):
        yield from _entry(draft, layer, ("patches", index, "patch"), entry)


def late_patches(draft: Draft, layer: Layer) -> Iterator[Patch]:
    """The old JSON patches, which come after them."""
    for index, entry in enumerate(layer.mappings("patchesJson6902")):
        yield from _entry(draft, layer, ("patchesJson6902", index, "patch"), entry)


def _entry(draft: Draft, layer: Layer, inline: tuple[str | int, ...], entry: Mapping[str, Any]) -> Iterator[Patch]:
    target = entry.get("target")
    target = target if isinstance(target, Mapping) else None
    yield from _read(draft, layer, inline, str(entry.get("patch") or ""), str(entry.get("path") or ""), target)


def _read(
    draft: Draft, layer: Layer, inline: tuple[str | int, ...], text: str, path: str,
    target: Mapping[str, Any] | None = None,
) -> Iterator[Patch]:  # fmt: skip
    place = Place(layer.file, inline)
    if path:
        place = Place(draft.path(layer.directory, path))
        if not draft.is_file(place.file):
            raise NoFileError(f"{layer.file} names the patch {path}, which is not there")
        text = draft.text(place.file)
    try:
        pieces = cut(text)
    except ValueError as error:
        raise NoFileError(f"{place}: {error}") from None
    for number, piece in enumerate(pieces):
        if not isinstance(piece.value, dict | list):
            raise NotEditableError(f"{place} is no patch")
        yield Patch(Place(place.file, place.inline, number), piece.value, target)


def _document_changed(text: str, number: int, make: Callable[[str], str]) -> str:
    pieces = cut(text)
    if number >= len(pieces):
        raise NotEditableError("the patch changed while it was edited")
    piece = pieces[number]
    return text[: piece.start] + make(text[piece.start : piece.end]) + text[piece.end :]
