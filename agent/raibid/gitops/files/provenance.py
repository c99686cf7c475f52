"""Which place sets a field of an object: the steps of kustomize gone back from the last.

Owns: the object's state before and after each step, the choice of the place.
Leaves to others: the steps (`transforms.py`), generators (`generators.py`), variables (`variables.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from raibid.gitops.files.documents import Draft
from raibid.gitops.files.fields import Field, Match, named, shown, steps_in, value_at
from raibid.gitops.files.generators import generated, generator_spot
from raibid.gitops.files.layers import Generator, Origin
from raibid.gitops.files.patches import Place
from raibid.gitops.files.spots import Spot, ValueSpot
from raibid.gitops.files.transforms import Patched, Transform, transforms


@dataclass(frozen=True)
class Built:
    """An object as kustomize builds it, with all states on the way."""

    origin: Origin
    steps: tuple[Transform, ...] = field(compare=False)
    states: tuple[Any, ...] = field(compare=False)
    """One more than steps; the first is the file's, the last is what is applied."""

    @classmethod
    def of(cls, draft: Draft, origin: Origin) -> Built:
        """The object's way.

        Raises:
            NoFileError: a patch is not there. NotEditableError: one cannot be applied.
        """
        first = origin.manifest
        if isinstance(origin.source, Generator):
            made = generated(draft, origin.source)
            first = {**first, made.key: made.values}
        steps, states = tuple(transforms(draft, origin)), [first]
        for step in steps:
            states.append(step.apply(states[-1]))
        return cls(origin, steps, tuple(states))

    @property
    def final(self) -> Any:
        """What is applied; names and selectors that kustomize adds are not in it."""
        return self.states[-1]

    def spot(self, draft: Draft, wanted: Field) -> Spot:
        """Where a field is set: in the outermost place that sets it, else in the object's own document.

        Raises:
            NotEditableError: that place cannot take another value, or there is no such list item.
        """
        # Positions shift when patches add items; names do not.
        wanted = named(self.final, wanted)
        for number in range(len(self.steps) - 1, -1, -1):
            found = self.steps[number].find(wanted, self.states[number], self.states[number + 1])
            if found is not None:
                return found
        if isinstance(self.origin.source, Generator):
            return generator_spot(draft, self.origin.source, wanted)
        return self._where_item_comes_from(wanted) or self._own(wanted)

    def _where_item_comes_from(self, wanted: Field) -> Spot | None:
        """A field that nothing sets yet, of an item that a patch brings: it goes there. None: the file has the item."""
        items = [number for number, step in enumerate(wanted, 1) if isinstance(step, Match)]
        way = next((wanted[:n] for n in reversed(items) if value_at(self.final, wanted[:n])[0]), ())
        if not way or value_at(self.states[0], way)[0]:
            return None
        for number, step in enumerate(self.steps):
            if value_at(self.states[number + 1], way)[0] and isinstance(step, Patched):
                return step.item(way, wanted[len(way) :], self.states[number])
        return None

    def _own(self, wanted: Field) -> Spot:
        document = self.origin.source
        assert not isinstance(document, Generator)  # noqa: S101 - the caller looked
        manifest = document.manifest
        steps, item = steps_in(manifest, wanted)
        rest = tuple(str(step) for step in wanted[len(steps) :]) if item is not None else ()
        return ValueSpot(
            Place(document.file, (), document.index),
            (*document.inside, *steps),
            value_at(manifest, wanted)[1],
            f"in {document.file}",
            item,
            rest,
        )


def told(wanted: Field, spot: Spot) -> str:
    """What was set, where, and why there."""
    return f"{shown(wanted)} is set {spot.why}"
