"""Changes of a repository's files, by what they mean: a field, an image, a number of replicas.

Owns: the order of work: find the document, find what sets the field, change that, tell where and why.
Leaves to others: each of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raibid.gitops.errors import NotEditableError
from raibid.gitops.files.documents import Draft, Edit
from raibid.gitops.files.fields import read_field, shown, steps_in, value_at
from raibid.gitops.files.layers import Generator, Walk
from raibid.gitops.files.locate import chosen
from raibid.gitops.files.splices import with_document
from raibid.gitops.files.variables import VariableSource
from raibid.gitops.objects import Ref


def set_field(
    root: Path, entry: str, ref: Ref, field: str, value: object, *, variables: Sequence[VariableSource] = (),
    flux_spec: Mapping[str, Any] | None = None,
) -> Edit:  # fmt: skip
    """Give a field of an object a value, where the field is set.

    Raises:
        NoFileError, NotEditableError, NotAllowedError, SealedError: as their names say.
    """
    draft = Draft(root)
    walk = Walk(draft, ref)
    origin = chosen(walk, entry, flux_spec)
    if isinstance(origin.source, Generator):
        raise NotEditableError("generated")
    wanted = read_field(field)
    document = origin.source
    steps, _ = steps_in(document.manifest, wanted)
    there, old = value_at(document.manifest, wanted)
    body = draft.body(document)
    draft.put(document, with_document(body, [*document.inside, *steps], old if there else None, value))
    return draft.edit(f"{shown(wanted)} is set in {document.file}", *walk.notes)
