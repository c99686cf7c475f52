"""Whom an edit concerns besides the object that it is for.

Owns: other objects that one patch selects, other overlays that use one file, other places that take one variable.
Leaves to others: which place is edited (`provenance.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from raibid.gitops.errors import NoFileError, NotAllowedError, NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.fields import Field, shown, steps_in
from raibid.gitops.files.layers import NAMES, Generator, Layer, Origin, directory_layer, generators
from raibid.gitops.files.locate import added
from raibid.gitops.files.provenance import Built
from raibid.gitops.files.spots import ImageSpot, Spot, ValueSpot
from raibid.gitops.files.substitution import Values, filled, is_excepted, mentions, texts_in
from raibid.gitops.files.transforms import Imaged, Patched
from raibid.gitops.files.walk import Walk
from raibid.gitops.objects import Ref

_TOLD: Final = 10
"""Places that a note names; a variable of a whole fleet has hundreds."""
_OWN: Final = "give this one a variable of its own"


def others_concerned(draft: Draft, entry: str, built: Built, spot: Spot) -> Iterator[str]:
    """Notes on other objects that an entry of `images` is for.

    Raises:
        NotEditableError: the place is a patch that selects other objects as well; they are named.
    """
    mine = _key_of(spot)
    if mine not in [_key(step) for step in built.steps]:
        return
    others = sorted(_others(draft, entry, built, mine))
    if others and isinstance(spot, ValueSpot):
        raise NotEditableError(
            f"{spot.place} sets it for others as well: {', '.join(others)}",
            "give this object a patch of its own behind that one",
        )
    if others:
        yield f"the same images are those of {', '.join(others)}: they change, too"


def _others(draft: Draft, entry: str, built: Built, mine: object) -> Iterator[str]:
    for origin in Walk(draft, Ref("", "", "", "")).objects(entry):
        if origin.source == built.origin.source:
            continue
        other = Built.of(draft, origin)
        for number, step in enumerate(other.steps):
            if _key(step) == mine and isinstance(step, Patched | Imaged) and step.is_for(other.states[number]):
                yield _called(origin)


def _key(step: object) -> object:
    """Which patch or entry a step is, for whichever object."""
    if isinstance(step, Patched):
        return step.patch.place
    return (step.layer.file, step.index) if isinstance(step, Imaged) else None


def _key_of(spot: Spot) -> object:
    if isinstance(spot, ValueSpot):
        return spot.place
    return (spot.file, spot.index) if isinstance(spot, ImageSpot) else ()


def shared_with(draft: Draft, entry: str, flux_spec: Mapping[str, Any] | None, spot: Spot) -> Iterator[str]:
    """A note if kustomizations that are not the entry's read the file that is edited, directly or by others."""
    reads = {layer.directory: _read_by(draft, layer) for layer in _layers(draft, "")}
    more = Layer(draft.path(entry), "", added(flux_spec))
    ours = _reached({draft.path(entry), *_read_by(draft, more)}, reads)
    # A kustomization's own file is read by whoever reads its directory.
    own = {where for where in reads if spot.file in {f"{where}/{name}".lstrip("/") for name in NAMES}}
    readers, found = set(own), {spot.file, *own}
    while new := {where for where, paths in reads.items() if where not in readers and paths & found}:
        readers |= new
        found |= new
    others = sorted(readers - ours)
    if others:
        yield f"{spot.file} is used by {', '.join(others)} as well: the change reaches those, too"


def _reached(places: set[str], reads: Mapping[str, frozenset[str]]) -> set[str]:
    found, waiting = set(places), list(places)
    while waiting:
        new = reads.get(waiting.pop(), frozenset()) - found
        found |= new
        waiting += new
    return found


def _read_by(draft: Draft, layer: Layer) -> frozenset[str]:
    """Files and directories that a kustomization names."""
    paths = layer.strings("resources", "bases", "components", "patchesStrategicMerge", "configurations")
    for key in ("patches", "patchesJson6902", "replacements"):
        paths += [str(entry["path"]) for entry in layer.mappings(key) if isinstance(entry.get("path"), str)]
    for generator in generators(layer):
        for key in ("files", "envs"):
            listed = generator.entry.get(key)
            paths += [str(item).rpartition("=")[2] for item in listed] if isinstance(listed, list) else []
    return frozenset(_places(draft, layer.directory, paths))


def _places(draft: Draft, directory: str, paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        try:
            if "://" not in path and "\n" not in path and "\0" not in path:
                yield draft.path(directory, path)
        except (NotAllowedError, OSError):
            continue  # somebody else's kustomization; it is told when it is built


def _layers(draft: Draft, directory: str) -> Iterator[Layer]:
    try:
        layer = directory_layer(draft, directory)
    except (NoFileError, NotEditableError):
        layer = None  # it cannot be read, so it uses nothing
    if layer is not None:
        yield layer
    for name in draft.listed(directory):
        path = f"{directory}/{name}" if directory else name
        if draft.is_directory(path) and not draft.is_link(path):
            yield from _layers(draft, path)


@dataclass(frozen=True)
class Use:
    """Variables that change."""

    before: Values
    after: Values
    names: frozenset[str]


def users_of(
    draft: Draft, entry: str, flux_spec: Mapping[str, Any] | None, use: Use, but: tuple[Built, Field]
) -> Iterator[str]:
    """Notes on other places that take the same variables.

    Raises:
        NotEditableError: one of them would not be read as before: a number where a text was, or no YAML at all.
    """
    found, files = list[str](), set[str]()
    for origin in Walk(draft, Ref("", "", "", "")).objects(entry, over=added(flux_spec)):
        other = Built.of(draft, origin)
        files |= set() if isinstance(origin.source, Generator) else {origin.source.file}
        if is_excepted(other.final):
            continue
        mine = steps_in(other.final, but[1])[0] if origin.source == but[0].origin.source else None
        for way, text in texts_in(other.final):
            if way != mine and mentions(text, use.names) and _changes(text, use, f"{_called(origin)}: {shown(way)}"):
                found.append(f"{_called(origin)} ({shown(way)})")
    found += [path for path in _manifests(draft, "") if path not in files and mentions(draft.text(path), use.names)]
    if found:
        names = " and ".join(sorted(use.names))
        more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
        yield f"{names}: taken by {', '.join(found[:_TOLD])}{more} as well: they change, too"


def _changes(text: str, use: Use, where: str) -> bool:
    """Whether a place becomes another."""
    try:
        old = filled(text, use.before)
    except NotEditableError:
        return True  # it is none of ours that it cannot be read
    try:
        new = filled(text, use.after)
    except NotEditableError as error:
        raise NotEditableError(f"{where} takes the same variable: {error}", _OWN) from None
    if isinstance(old, str) != isinstance(new, str):
        raise NotEditableError(
            f"{where} takes the same variable, and would be {'a text' if isinstance(new, str) else 'no text'} then",
            _OWN,
        )
    return bool(old != new)


def _called(origin: Origin) -> str:
    return f"{origin.kind}/{origin.ids[-1][1]}"


def _manifests(draft: Draft, directory: str) -> Iterator[str]:
    """Every YAML file of the repository that can be read."""
    for name in draft.listed(directory):
        path = f"{directory}/{name}" if directory else name
        if draft.is_link(path):
            continue
        if draft.is_directory(path):
            yield from _manifests(draft, path)
        elif name.endswith((".yaml", ".yml")) and draft.is_text(path):
            yield path
