"""Whom an edit concerns besides the object that it is for.

Owns: other objects that one patch selects, other overlays that use one file.
Leaves to others: which place is edited (`provenance.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from raibid.gitops.errors import NoFileError, NotAllowedError, NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.layers import Layer, directory_layer
from raibid.gitops.files.provenance import Built
from raibid.gitops.files.spots import ImageSpot, Spot, ValueSpot
from raibid.gitops.files.transforms import Imaged, Patched
from raibid.gitops.files.walk import Walk
from raibid.gitops.objects import Ref


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
                yield f"{origin.kind}/{origin.ids[-1][1]}"


def _key(step: object) -> object:
    """Which patch or entry a step is, for whichever object."""
    if isinstance(step, Patched):
        return step.patch.place
    return (step.layer.file, step.index) if isinstance(step, Imaged) else None


def _key_of(spot: Spot) -> object:
    if isinstance(spot, ValueSpot):
        return spot.place
    return (spot.file, spot.index) if isinstance(spot, ImageSpot) else ()


def shared_with(draft: Draft, entry: str, built: Built, spot: Spot) -> Iterator[str]:
    """A note if other kustomizations than those on the way use the directory that is edited."""
    chain = built.origin.chain
    edited = next((place for place in reversed(chain) if spot.file.startswith(f"{place}/" if place else "")), "")
    others = sorted(user for user in _users(draft, edited) if user not in chain)
    if edited != draft.path(entry) and others:
        yield f"{edited} is used by {', '.join(others)} as well: the change reaches those, too"


def _users(draft: Draft, directory: str) -> Iterator[str]:
    for layer in _layers(draft, ""):
        for path in layer.strings("resources", "bases", "components"):
            try:
                if "://" not in path and draft.path(layer.directory, path) == directory:
                    yield layer.directory
            except NotAllowedError:
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
