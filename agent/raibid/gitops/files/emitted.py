"""Files that `pulumi up` writes: an edit of them would be refused there, or undone.

Owns: the list of them, `clusters/<environment>/emitted.json`; the rule.
Leaves to others: writing them (the program's `components/fleet`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from raibid.gitops.errors import NoFileError, NotEditableError
from raibid.gitops.files.documents import Draft
from raibid.gitops.objects import mapping

_HINT: Final = "change the stack's setting and run `pulumi up`, or set it by a patch in a file of your own"


def entries(text: str) -> dict[str, Any] | None:
    """What such a file lists: path → digest. None: it is none of the program's."""
    try:
        found = mapping(json.loads(text)).get("files")
    except (ValueError, RecursionError):
        return None
    return dict(found) if isinstance(found, dict) else None


def emitted_by(draft: Draft, path: str) -> str:
    """The environment whose program writes a file; empty: none does."""
    return next((environment for environment, paths in _records(draft) if path in paths), "")


def refuse_emitted(draft: Draft, path: str) -> None:
    """Nothing, unless the program writes that file.

    Raises:
        NotEditableError: it does.
    """
    environment = emitted_by(draft, path)
    if environment:
        raise NotEditableError(f"{path} is written by `pulumi up` (clusters/{environment}/emitted.json)", _HINT)


def _records(draft: Draft) -> Iterator[tuple[str, frozenset[str]]]:
    for environment in draft.listed("clusters"):
        path = f"clusters/{environment}/emitted.json"
        if not draft.is_file(path):
            continue
        found = entries(draft.text(path))
        if found is None:
            raise NoFileError(f"{path} is not the list of emitted files", f"git log -- {path}")
        yield environment, frozenset(found)
