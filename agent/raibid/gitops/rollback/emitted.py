"""The program's record of what it emitted (`clusters/<env>/emitted.json`), kept true when files are taken back.

Owns: which entries of a record go back together with their files.
Leaves to others: what the record is for (`components/fleet/plan.py`, which writes it and refuses files that it does
not know by their digest).

A file that goes back without its entry looks edited by hand, and the next `pulumi up` would refuse to touch it; with
its entry it looks like an older emission, which the next `up` brings up to date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from raibid.gitops.files.emitted import entries
from raibid.gitops.rollback.tree import Tree

_RECORD: Final = re.compile(r"clusters/[^/]+/emitted\.json")


def records(tree: Tree) -> list[str]:
    """The records of all environments."""
    return [path for path, (mode, _) in tree.files.items() if _RECORD.fullmatch(path) and mode.startswith("100")]


def emitted(tree: Tree) -> frozenset[str]:
    """Every path that `pulumi up` writes."""
    return frozenset(path for record in records(tree) for path in entries(tree.text(record)) or ())


def kept_true(now: Tree, good: Tree, restored: Iterable[str]) -> dict[str, bytes]:
    """The records as they must be once these paths are again as they were at the good commit; only what changes."""
    paths, changed = frozenset(restored), {}
    for record in records(now):
        listed, before = entries(now.text(record)), entries(good.text(record))
        if listed is None or before is None:
            continue  # no record of the program's: nobody relies on it
        kept = {path: digest for path, digest in listed.items() if path not in paths}
        returned = {path: digest for path, digest in before.items() if path in paths}
        if {**kept, **returned} != listed:
            # Byte for byte as `plan.py` writes it: else the next `up` would commit the difference.
            text = json.dumps({"files": {**kept, **returned}}, indent=1, sort_keys=True) + "\n"
            changed[record] = text.encode()
    return changed
