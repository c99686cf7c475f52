"""Places where a value of an object is written, and how each of them takes another value.

Owns: a value of a document, an entry of `images`, a literal or a file of a generator.
Leaves to others: which of them counts (`provenance.py`), that nothing is written over an encrypted file
(`documents.py`, `sealed.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.images import Image, entry_for
from raibid.gitops.files.patches import Place
from raibid.gitops.files.splices import with_document, without_value
from raibid.gitops.files.values import changed

Steps = tuple[str | int, ...]


class Spot(Protocol):
    """Where a value is written."""

    @property
    def file(self) -> str:
        """The file that holds it."""

    @property
    def old(self) -> Any:
        """What it says now; None: nothing yet."""

    @property
    def why(self) -> str:
        """`in apps/base/deployment.yaml`, with the reason if it is not the object's own document."""

    def write(self, draft: Draft, value: Any) -> None:
        """Give it another value.

        Raises:
            NotEditableError: it cannot take that.
        """

    def clear(self, draft: Draft) -> None:
        """Take the value out."""


@dataclass(frozen=True)
class _Placed:
    """Stands at a place of a document."""

    place: Place

    @property
    def file(self) -> str:
        """As the protocol says."""
        return self.place.file


@dataclass(frozen=True)
class ValueSpot(_Placed):
    """A value of a document."""

    steps: Steps
    old: Any = None
    why: str = ""
    item: Mapping[str, Any] | None = None
    """A list's item that is made for it, with what tells it from the others."""
    rest: tuple[str, ...] = ()
    """Keys of the value in that item."""

    def write(self, draft: Draft, value: Any) -> None:
        """As the protocol says."""
        whole = value if self.item is None else changed(dict(self.item), self.rest, value)
        if draft.is_sealed(self.file):
            draft.seal(self.file, self.steps, whole)
            return
        self.place.change(draft, lambda body: with_document(body, self.steps, self.old, whole))

    def clear(self, draft: Draft) -> None:
        """As the protocol says."""
        self.place.change(draft, lambda body: without_value(body, self.steps))


@dataclass(frozen=True)
class ImageSpot(_Placed):
    """An entry of a kustomization's `images`."""

    index: int
    entry: Mapping[str, Any] = field(compare=False)
    before: str
    """The reference as it comes to the entry."""
    old: str
    why: str

    def write(self, draft: Draft, value: Any) -> None:
        """As the protocol says."""
        new = entry_for(self.entry, self.before, Image.read(str(value)))
        self.place.change(draft, lambda body: with_document(body, ("images", self.index), dict(self.entry), new))

    def clear(self, draft: Draft) -> None:  # noqa: ARG002
        """As the protocol says."""
        raise NotEditableError(f"an image cannot be taken out: {self.why} sets it")


@dataclass(frozen=True)
class LiteralSpot(_Placed):
    """`KEY=value` of a generator."""

    steps: Steps
    key: str
    old: str
    why: str

    def write(self, draft: Draft, value: Any) -> None:
        """As the protocol says."""
        self.place.change(draft, lambda body: with_document(body, self.steps, None, f"{self.key}={_text(value)}"))

    def clear(self, draft: Draft) -> None:
        """As the protocol says."""
        self.place.change(draft, lambda body: without_value(body, self.steps))


@dataclass(frozen=True)
class FileSpot:
    """A whole file that a generator reads."""

    file: str
    old: str
    why: str

    def write(self, draft: Draft, value: Any) -> None:
        """As the protocol says."""
        draft.write(self.file, _text(value))

    def clear(self, draft: Draft) -> None:  # noqa: ARG002
        """As the protocol says."""
        raise NotEditableError(f"{self.file} is a generator's file; take it out of the generator's list")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotEditableError("a ConfigMap's and a Secret's values are texts", "put it in quotes")
    return value
