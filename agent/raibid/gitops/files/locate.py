"""From a live object to the document that describes it.

Owns: the choice among candidates, the answer.
Leaves to others: kustomize's rules (`layers.py`), which place of it to edit (`edit.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from raibid.gitops.errors import NoFileError, NotDescribedError, NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.files.layers import Generator, Origin
from raibid.gitops.files.walk import Walk
from raibid.gitops.objects import Ref

_ADDED: Final = (
    "targetNamespace", "namePrefix", "nameSuffix", "patches", "images", "replicas", "components", "commonMetadata",
)  # fmt: skip
"""What a Flux Kustomization and an Argo CD Application put into the file; `replicas` only the latter."""


@dataclass(frozen=True)
class Location:
    """Where an object is described."""

    file: str
    """Path below the repository's root."""
    index: int
    """Which of the file's documents, from 0; empty ones do not count."""
    chain: tuple[str, ...]
    """Kustomization directories from the entry to the file."""
    notes: tuple[str, ...] = ()


def locate(root: Path, entry: str, ref: Ref, *, flux_spec: Mapping[str, Any] | None = None) -> Location:
    """The document of an object below an entry directory. `flux_spec`: `spec` of the Flux Kustomization that reads it.

    Raises:
        NoFileError: no document there describes it, or several do.
        NotAllowedError: a kustomization leads out of the repository.
    """
    draft = Draft(root)
    walk = Walk(draft, ref)
    origin = chosen(walk, entry, flux_spec)
    if isinstance(origin.source, Generator):
        return Location(origin.source.layer.file, 0, origin.chain, tuple(walk.notes))
    return Location(origin.source.file, origin.source.index, origin.chain, tuple(walk.notes))


def chosen(walk: Walk, entry: str, flux_spec: Mapping[str, Any] | None = None) -> Origin:
    """The one object of that name.

    Raises:
        NotDescribedError: none. NoFileError: several, or a file on the way cannot be read.
    """
    ref, where = walk.ref, entry or "the repository's root"
    named = [origin for origin in walk.objects(entry, over=added(flux_spec)) if origin.is_called(ref)]
    # Without a namespace of its own, an object goes where the applier says: into the one asked for, perhaps.
    exact = [origin for origin in named if origin.ids[-1][0] == ref.namespace]
    found = exact or [origin for origin in named if not ref.namespace or "${" in (origin.ids[-1][0] or "${")]
    found = [origin for origin in found if "${" not in origin.ids[-1][1]] or found
    if not found:
        raise NotDescribedError(f"no file below {where} describes {ref}", "; ".join(walk.notes))
    if len(found) > 1:
        places = ", ".join(sorted(_place(origin) for origin in found))
        raise NoFileError(f"several files below {where} describe {ref}: {places}")
    return found[0]


def added(flux_spec: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a Flux Kustomization adds to the kustomization that it reads (fluxcd/pkg, kustomize_generator.go)."""
    spec = flux_spec or {}
    if not isinstance(spec, Mapping):
        raise NotEditableError("the Kustomization's spec is no mapping")
    return {name: spec[name] for name in _ADDED if spec.get(name)}


def _place(origin: Origin) -> str:
    if isinstance(origin.source, Generator):
        return f"{origin.source.layer.file} ({origin.source.key})"
    return f"{origin.source.file} (document {origin.source.index})"
